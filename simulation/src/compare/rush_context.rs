//! What the buyers of a thread share in a rush.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use inrush_report::measure::{Call, Recorder, RecorderSettings};
use inrush_transport::Answer;

use super::{
    outcome::{BuyerOutcome, RushResult},
    settings::Settings,
};
use crate::rpc::Calls;

/// Width of the intervals in which calls are counted.
const INTERVAL: Duration = Duration::from_millis(250);

/// How buyers reach the order system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Each buyer calls it directly.
    Straight,
    /// Through the queue of a sale.
    Through {
        /// The sale's id.
        sale: Arc<str>,
    },
}

/// What all buyers of a thread share.
pub(super) struct RushContext {
    pub(super) settings: Settings,
    pub(super) way: Way,
    pub(super) calls: Rc<Calls>,
    pub(super) opening: tokio::time::Instant,
    recorder: RefCell<Recorder>,
    pub(super) outcomes: RefCell<Vec<BuyerOutcome>>,
}

impl RushContext {
    pub(super) fn new(settings: Settings, way: Way, calls: Rc<Calls>, opening: Instant) -> Rc<Self> {
        let recorder = Recorder::new(RecorderSettings {
            started: SystemTime::now(),
            open_loop: true,
            warm_up: Duration::ZERO,
            skip_first: 0,
            interval: INTERVAL,
            details: 0,
        });
        let (recorder, outcomes) = (RefCell::new(recorder), RefCell::default());
        Rc::new(Self { settings, way, calls, opening: opening.into(), recorder, outcomes })
    }

    /// Since the opening.
    pub(super) fn now(&self) -> Duration {
        self.opening.elapsed()
    }

    /// A call is being sent. Returns the time.
    pub(super) fn sent(&self) -> Duration {
        let now = self.now();
        self.recorder.borrow_mut().sent(now);
        now
    }

    /// A call has ended.
    pub(super) fn ended(&self, sent: Duration, answer: &Answer) {
        let Answer { code, error, bytes_sent, bytes_received, .. } = answer;
        self.recorder.borrow_mut().ended(&Call {
            number: 0,
            planned: sent,
            sent,
            ended: self.now(),
            code: *code,
            error,
            bytes_sent: *bytes_sent,
            bytes_received: *bytes_received,
        });
    }

    pub(super) fn leave(&self) -> RushResult {
        let (calls, _) = self.recorder.borrow_mut().finish(self.now());
        RushResult { outcomes: self.outcomes.take(), calls }
    }
}
