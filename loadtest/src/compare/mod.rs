//! Why a queue: the same rush, first straight at an order system and then through Inrush.
//!
//! In reading order: the [`settings`] say what the order system can do and how buyers behave; a [`stampede`] is the rush,
//! one [`buyer`] after the other; a [`side`] is what came of it; [`mod@run`] plays both sides; [`mod@text`], [`mod@picture`]
//! and [`mod@page`] show them next to each other.

mod buyer;
mod page;
mod picture;
mod run;
pub mod settings;
pub mod side;
mod stampede;
pub mod text;

pub use page::page;
pub use picture::picture;
pub use run::{Comparison, Options, run};
pub use settings::Settings;
