//! Makes the calls: one single-threaded runtime per core, each with connections of its own.

mod plan;

pub use plan::{AtDuration, Load, Plan, Recording, Share, Stop, Streaming};

use std::{sync::atomic::AtomicBool, time::Duration};

use crate::{
    measure::{Results, Timeline},
    message::RequestSource,
    problem::Problem,
};

/// Sees a run while it goes on.
pub trait Observer {
    /// Called about four times a second, and once when the run is over.
    fn see(&mut self, progress: &Progress<'_>);
}

/// How far a run is.
pub struct Progress<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// How the run went so far. The last interval may still grow.
    pub timeline: &'a Timeline,
    /// The run is over.
    pub over: bool,
}

/// Carries a plan out, on the calling thread's behalf, and returns when all calls have ended.
///
/// `sources` makes one source for each thread. The run stops early once `interrupted` is true.
///
/// # Errors
/// When the server cannot be reached at the start, or a request cannot be made.
pub fn run(
    plan: &Plan,
    share: Share,
    sources: &(dyn Fn() -> Result<Box<dyn RequestSource>, Problem> + Sync),
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Results, Problem> {
    let _ = (plan, share, sources, observer, interrupted);
    Err(Problem::new("not yet", "wait"))
}
