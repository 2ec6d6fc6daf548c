//! The flash sale as a load: whole journeys of many buyers, and the proof that the promise was kept.
//!
//! In reading order: the [`scenario`] says what the sale is like, [`temper`] what each buyer does; a [`crowd`] plays the
//! buyers of one thread, step by step as in [`journey`]; the [`roll_call`] asks for every ticket at the end; the
//! [`checker`] judges the [`evidence`].

pub mod checker;
pub mod crowd;
pub mod evidence;
mod journey;
pub mod left;
pub mod observed;
pub(crate) mod office;
mod page;
mod rest;
mod roll_call;
pub mod run;
pub mod scenario;
pub mod shared;
pub mod summary;
pub mod temper;
pub mod ticket;

pub use page::page;
pub use run::{SaleOptions, SaleRun, run};
