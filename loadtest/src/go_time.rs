//! Durations and times as Go writes them: flags of ghz and its templates have them.

mod duration;
mod layout;

pub use duration::{GoDuration, NotADuration};
pub use layout::{format, parse};
