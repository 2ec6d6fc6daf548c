//! Estimates how long the first ticket in the queue has waited.
//!
//! The store keeps no times of tickets, which would cost eight bytes for each that waits. But a seq that was
//! not assigned at one sample and is assigned at the next was assigned in between.

use std::time::Duration;

use tokio::time::Instant;

/// Samples that are kept. When there are more, every second one is dropped.
const MAX_SAMPLES: usize = 64;

/// Samples of a sale's queue.
#[derive(Debug, Default)]
pub(super) struct OldestWaiting {
    /// The time and the last seq assigned by then, rising.
    samples: Vec<(Instant, u64)>,
    is_waiting: bool,
}

impl OldestWaiting {
    /// Records the last assigned and the last claimed seq.
    pub(super) fn record(&mut self, last_seq: u64, cursor: u64, now: Instant) {
        match self.samples.last_mut() {
            // The sale was created anew, or its history was lost.
            Some((_, last)) if last_seq < *last => self.samples.clear(),
            // No ticket came in between: the next one comes later than now.
            Some((at, last)) if last_seq == *last => *at = now,
            Some(_) | None => {}
        }
        if self.samples.last().is_none_or(|(_, last)| *last != last_seq) {
            self.samples.push((now, last_seq));
        }
        self.is_waiting = cursor < last_seq;
        // Of the samples before the first waiting ticket came, only the last is needed.
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

    /// An upper bound of how long the first ticket has waited; too low if it came before the first sample.
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
    fn the_first_ticket_came_after_the_last_sample_without_it() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        let at = |seconds: u32| start + SECOND * seconds;
        oldest_waiting.record(0, 0, at(0));
        assert_eq!(oldest_waiting.age(at(5)), Duration::ZERO, "no ticket waits");
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
    fn a_queue_that_waits_at_the_first_sample_has_waited_since_then() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        oldest_waiting.record(100, 50, start);
        oldest_waiting.record(200, 60, start + SECOND);
        assert_eq!(oldest_waiting.age(start + 3 * SECOND), 3 * SECOND);
    }

    #[test]
    fn samples_of_a_recreated_sale_start_anew() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        oldest_waiting.record(100, 50, start);
        oldest_waiting.record(3, 0, start + SECOND);
        assert_eq!(oldest_waiting.age(start + 2 * SECOND), SECOND);
    }

    #[test]
    fn the_number_of_samples_is_bounded() {
        let (mut oldest_waiting, start) = (OldestWaiting::default(), Instant::now());
        for sample in 1..10_000_u32 {
            oldest_waiting.record(u64::from(sample), 0, start + SECOND * sample);
            assert!(oldest_waiting.samples.len() <= MAX_SAMPLES);
        }
        assert_eq!(oldest_waiting.age(start + SECOND * 10_000), 9_999 * SECOND);
    }
}
