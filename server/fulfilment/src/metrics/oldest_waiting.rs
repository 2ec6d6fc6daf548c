//! How long the first in line has waited.
//!
//! No store keeps when a ticket was given out: it would cost every waiting ticket eight bytes. But whoever looks at a line now
//! and then knows that a number which was not given out at one look, and is at the next, was given out in between.

use std::time::Duration;

use tokio::time::Instant;

/// Most looks that are remembered. When there are more, every second one is forgotten.
const MAX_SAMPLES: usize = 64;

/// What looks at a line have shown.
#[derive(Debug, Default)]
pub(super) struct OldestWaiting {
    /// When, and the last number given out by then, rising.
    samples: Vec<(Instant, u64)>,
    is_waiting: bool,
}

impl OldestWaiting {
    /// The last number given out so far, and the last that was claimed.
    pub(super) fn record(&mut self, last_seq: u64, cursor: u64, now: Instant) {
        match self.samples.last_mut() {
            // The sale was created anew, or its history was lost.
            Some((_, last)) if last_seq < *last => self.samples.clear(),
            // Nothing was given out in between: what comes comes later.
            Some((at, last)) if last_seq == *last => *at = now,
            Some(_) | None => {}
        }
        if self.samples.last().is_none_or(|(_, last)| *last != last_seq) {
            self.samples.push((now, last_seq));
        }
        self.is_waiting = cursor < last_seq;
        // Of the looks before the first in line came, only the last says anything.
        let before = self.samples.partition_point(|(_, last)| *last <= cursor);
        self.samples.drain(..before.saturating_sub(1));
        if self.samples.len() > MAX_SAMPLES {
            let mut index = 0_usize;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// How long the first in line has waited at most, but at least since the first look.
    pub(super) fn age(&self, now: Instant) -> Duration {
        match self.samples.first() {
            Some((at, _)) if self.is_waiting => now.saturating_duration_since(*at),
            Some(_) | None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_in_line_came_after_the_last_look_without_it() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        let at = |seconds: u32| start + SECOND * seconds;
        oldest_waiting.record(0, 0, at(0));
        assert_eq!(oldest_waiting.age(at(5)), Duration::ZERO, "nobody waits");
        oldest_waiting.record(0, 0, at(10));
        oldest_waiting.record(100, 0, at(12));
        assert_eq!(oldest_waiting.age(at(12)), 2 * SECOND);
        oldest_waiting.record(200, 50, at(20));
        assert_eq!(oldest_waiting.age(at(20)), 10 * SECOND, "51 came between 10 and 12");
        oldest_waiting.record(200, 150, at(30));
        assert_eq!(oldest_waiting.age(at(31)), 19 * SECOND, "151 came between 12 and 20");
        oldest_waiting.record(200, 200, at(40));
        assert_eq!(oldest_waiting.age(at(50)), Duration::ZERO);
    }

    #[test]
    fn a_line_that_is_met_waiting_has_waited_since_then() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        oldest_waiting.record(100, 50, start);
        oldest_waiting.record(200, 60, start + SECOND);
        assert_eq!(oldest_waiting.age(start + 3 * SECOND), 3 * SECOND);
    }

    #[test]
    fn a_line_that_begins_anew_forgets() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        oldest_waiting.record(100, 50, start);
        oldest_waiting.record(3, 0, start + SECOND);
        assert_eq!(oldest_waiting.age(start + 2 * SECOND), SECOND);
    }

    #[test]
    fn a_long_wait_takes_no_more_memory() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        for look in 1..10_000_u32 {
            oldest_waiting.record(u64::from(look), 0, start + SECOND * look);
            assert!(oldest_waiting.samples.len() <= MAX_SAMPLES);
        }
        assert_eq!(oldest_waiting.age(start + SECOND * 10_000), 9_999 * SECOND);
    }
}
