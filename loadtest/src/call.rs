//! A run of one method: what its calls carry, and when they are made.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::{
    engine::{self, Observer, Plan, Share},
    measure::Results,
    message::RequestPlan,
    problem::Problem,
};

/// A run. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallPlan {
    /// When calls are made, and how.
    pub engine: Plan,
    /// What they carry.
    pub requests: RequestPlan,
}

impl CallPlan {
    /// Makes this machine's share of the calls, and returns when all have ended.
    ///
    /// # Errors
    /// When the server cannot be reached at the start, or a request cannot be made.
    pub fn run(
        &self,
        share: Share,
        observer: &mut dyn Observer,
        interrupted: &AtomicBool,
    ) -> Result<Results, Problem> {
        engine::run(&self.engine, share, &|| self.requests.source(), observer, interrupted)
    }
}
