//! What each buyer does, determined by the seed alone.

use std::time::Duration;

use super::scenario::{Shares, Times};
use crate::{buyer::Buyer, seeded_random::seeded_random};

/// How a buyer gets the status of its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Polls when the server asks it to.
    Polls,
    /// Polls more often than that.
    PollsImpatiently,
    /// Repeats Enqueue.
    Refreshes,
    /// Calls WatchStatus.
    Watches,
}

/// What a buyer does besides one Enqueue and polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Sends its request twice.
    pub repeats: bool,
    /// Cancels while waiting.
    pub cancels: bool,
    /// Enqueues again after it has cancelled.
    pub comes_back: bool,
    /// Never pays.
    pub unpaid: bool,
    /// How it waits.
    pub waiting: Waiting,
}

/// The decisions that depend on the seed.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Question {
    Repeats = 1,
    Cancels,
    ComesBack,
    Unpaid,
    Waiting,
    CancelAfter,
}

impl Behaviour {
    /// What `buyer` will do.
    pub fn of(buyer: Buyer, seed: u64, shares: &Shares) -> Self {
        let asked = |question: Question| seeded_random(seed, question as u32, buyer);
        let waits = asked(Question::Waiting);
        let waiting = if waits < shares.refreshers {
            Waiting::Refreshes
        } else if waits < shares.refreshers + shares.impatient {
            Waiting::PollsImpatiently
        } else if waits < shares.refreshers + shares.impatient + shares.watchers {
            Waiting::Watches
        } else {
            Waiting::Polls
        };
        Self {
            repeats: asked(Question::Repeats) < shares.repeats,
            cancels: asked(Question::Cancels) < shares.cancels,
            comes_back: asked(Question::ComesBack) < shares.comes_back,
            unpaid: asked(Question::Unpaid) < shares.unpaid,
            waiting,
        }
    }

    /// How long a buyer waits before it cancels.
    pub fn cancels_after(buyer: Buyer, seed: u64, times: &Times) -> Duration {
        times.cancel_within.mul_f64(seeded_random(seed, Question::CancelAfter as u32, buyer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_as_planned() {
        let shares = Shares { refreshers: 0.1, impatient: 0.2, watchers: 0.3, ..Shares::default() };
        let behaviours: Vec<Behaviour> = (0..10_000).map(|buyer| Behaviour::of(buyer, 7, &shares)).collect();
        let near = |count: usize, share: f64| {
            let got = count as f64 / 10_000.0;
            assert!((got - share).abs() < 0.02, "{got} instead of {share}");
        };
        let waiting = |wanted| behaviours.iter().filter(|behaviour| behaviour.waiting == wanted).count();
        near(waiting(Waiting::Refreshes), 0.1);
        near(waiting(Waiting::PollsImpatiently), 0.2);
        near(waiting(Waiting::Watches), 0.3);
        near(waiting(Waiting::Polls), 0.4);
        near(behaviours.iter().filter(|behaviour| behaviour.unpaid).count(), shares.unpaid);
        assert_eq!(behaviours[17], Behaviour::of(17, 7, &shares));
    }
}
