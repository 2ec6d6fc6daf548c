//! Compares the same rush sent directly to an order system and through Inrush.
//!
//! In reading order: the [`settings`] describe the order system and how buyers behave; a [`rush`] is one [`buyer`]
//! after the other; the [`mod@run_result`] is its result; [`mod@run`] runs it twice; [`mod@text`], [`mod@chart`] and
//! [`mod@page`] show both next to each other.

mod buyer;
mod chart;
mod outcome;
mod page;
mod run;
pub mod run_result;
mod rush;
mod rush_context;
pub mod settings;
pub mod text;

pub use chart::comparison_chart;
pub use page::page;
pub use run::{Comparison, Options, run};
pub use settings::Settings;
