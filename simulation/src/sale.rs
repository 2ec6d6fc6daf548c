//! The flash sale: the calls of many buyers from arrival to the final answer, and the check of all answers.
//!
//! In reading order: the [`scenario`] describes the sale, [`behaviour`] what each buyer does; [`buyers`] holds the buyers of
//! one thread, [`buyer_script`] has their steps, and a [`buyer_thread`] runs them; the [`final_check`] polls every ticket
//! at the end; the [`checker`] checks the [`evidence`].

pub mod behaviour;
mod buyer_script;
mod buyer_thread;
mod buyers;
pub mod checker;
pub mod contradictions;
pub mod evidence;
mod final_check;
mod page;
mod quiescence;
pub mod remaining;
pub mod run;
pub mod scenario;
pub mod shared;
pub mod status;
pub mod summary;
pub mod ticket;

pub use page::page;
pub use run::{SaleOptions, SaleRun, run};
