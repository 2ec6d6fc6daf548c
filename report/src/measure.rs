//! What is measured of a run: two latencies of every call, its outcome, and how both went over time.
//!
//! Every thread has a [`Recorder`] of its own; their [`Results`] are merged exactly, since everything in them is a
//! count. Nothing here grows with the number of calls.

mod errors;
mod histogram;
mod interval;
mod latencies;
mod recorder;
mod results;
mod sample;
mod timeline;

pub use errors::{ErrorTexts, MAX_ERROR_TEXTS};
pub use histogram::{Quantile, encoded};
pub use inrush_transport::Code;
pub use interval::{INTERVAL_DIGITS, Interval};
pub use latencies::Latencies;
pub use recorder::{Call, Recorder, RecorderSettings};
pub use results::{EndReason, Results};
pub use sample::{Detail, Sample};
pub use timeline::{MAX_INTERVALS, Timeline};
