//! When calls are due, and how many run at once.

mod concurrency;
mod rate;

pub use concurrency::ConcurrencySchedule;
pub use rate::{PlannedTimes, RateSchedule};
