//! The plan of a run of one method: the requests, and when they are sent.

use std::sync::atomic::AtomicBool;

use inrush_report::measure::Results;
use inrush_transport::Error;
use serde::{Deserialize, Serialize};

use crate::{
    engine::{self, Observer, Plan, Share},
    message::RequestPlan,
};

/// The plan of a run. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallPlan {
    /// When and how calls are made.
    pub engine: Plan,
    /// The content of the calls.
    pub requests: RequestPlan,
}

impl CallPlan {
    /// Makes a share of the calls, and returns when all have ended.
    ///
    /// # Errors
    /// If the server cannot be reached at the start, or a request cannot be made.
    pub fn run(
        &self,
        share: Share,
        observer: &mut dyn Observer,
        interrupted: &AtomicBool,
    ) -> Result<Results, Error> {
        engine::run(&self.engine, share, &|| self.requests.source(), observer, interrupted)
    }
}
