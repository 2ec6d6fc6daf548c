//! The flash sale: the calls of many buyers from arrival to the final answer, and the check of all answers.
//!
//! In reading order: the [`scenario`] says what the sale is like, [`behaviour`] what each buyer does; [`buyers`] holds those
//! of one thread, [`buyer_script`] is what they do step by step, and a [`buyer_thread`] runs them; the [`final_check`] asks
//! for every ticket at the end; the [`checker`] judges the [`evidence`].

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
