//! When calls are due, and how many run concurrently.

mod concurrency;
mod rate;

pub use concurrency::ConcurrencySchedule;
pub use rate::{PlannedTimes, RateSchedule};
