//! Ends calls whose deadline is past.
//!
//! A timer for every call would cost more than the rest of a call's use of the runtime. All calls of a link have the same
//! limit, and few reach it. So each caller writes its deadline into a slot, and one task checks all slots periodically.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{task::spawn_local, time::sleep};

/// A call ends late by at most its limit divided by this.
const PRECISION: u32 = 100;

/// Bounds of the interval at which deadlines are checked.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(1);
const MAX_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The deadlines of all callers of a link.
#[derive(Default)]
pub(super) struct Deadlines {
    slots: RefCell<Vec<Weak<Slot>>>,
    round: Cell<Duration>,
}

/// The deadline of one caller.
pub(super) struct Slot {
    limit: Duration,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: RefCell<Waker>,
}

impl Deadlines {
    /// Starts the task that checks deadlines. It ends with the last reference. Must be called within a `LocalSet`.
    pub(super) fn start() -> Rc<Self> {
        let deadlines = Rc::new(Self::default());
        deadlines.round.set(MAX_CHECK_INTERVAL);
        spawn_local(check(Rc::downgrade(&deadlines)));
        deadlines
    }

    /// A slot for a caller with this limit for each of its calls.
    pub(super) fn slot(&self, limit: Duration) -> Rc<Slot> {
        let slot = Rc::new(Slot {
            limit,
            deadline: Cell::new(None),
            expired: Cell::new(false),
            waker: RefCell::new(Waker::noop().clone()),
        });
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        let round = (limit / PRECISION).clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL);
        self.round.set(self.round.get().min(round));
        slot
    }

    /// Wakes callers whose deadline is past, and removes those that were dropped.
    fn check(&self) {
        let now = Instant::now();
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if slot.deadline.get().is_some_and(|deadline| deadline <= now) {
                slot.expired.set(true);
                slot.waker.borrow().wake_by_ref();
            }
            true
        });
    }
}

async fn check(deadlines: Weak<Deadlines>) {
    while let Some(known) = deadlines.upgrade() {
        known.check();
        let round = known.round.get();
        drop(known);
        sleep(round).await;
    }
}

impl Slot {
    /// How long each call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The output of the future; `None` if the deadline is past first.
    pub(super) async fn limited<F: Future>(
        &self,
        deadline: Instant,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.expired.set(false);
        self.deadline.set(Some(deadline));
        let output = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.expired.get() => Poll::Ready(None),
            Poll::Pending => {
                // Usually the same task as before: then nothing is written.
                context.waker().clone_into(&mut self.waker.borrow_mut());
                Poll::Pending
            }
        });
        let output = output.await;
        self.deadline.set(None);
        output
    }
}
