//! How long the first in line has waited.
//!
//! No store keeps when a ticket was given out: it would cost every waiting ticket eight bytes. But whoever looks at a line now
//! and then knows that a number which was not given out at one look, and is at the next, was given out in between.

use std::time::Duration;

use tokio::time::Instant;

/// Most looks that are remembered. When there are more, every second one is forgotten.
const MOST_LOOKS: usize = 64;

/// What looks at a line have shown.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// When, and the last number given out by then, rising.
    looks: Vec<(Instant, u64)>,
    someone_waits: bool,
}

impl Line {
    /// The last number given out so far, and the last that was claimed.
    pub(super) fn note(&mut self, last_seq: u64, cursor: u64, now: Instant) {
        match self.looks.last_mut() {
            // The sale was created anew, or its history was lost.
            Some((_, seen)) if last_seq < *seen => self.looks.clear(),
            // Nothing was given out in between: what comes comes later.
            Some((at, seen)) if last_seq == *seen => *at = now,
            Some(_) | None => {}
        }
        if self.looks.last().is_none_or(|(_, seen)| *seen != last_seq) {
            self.looks.push((now, last_seq));
        }
        self.someone_waits = cursor < last_seq;
        // Of the looks before the first in line came, only the last says anything.
        let before = self.looks.partition_point(|(_, seen)| *seen <= cursor);
        self.looks.drain(..before.saturating_sub(1));
        if self.looks.len() > MOST_LOOKS {
            let mut index = 0_usize;
            self.looks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// How long the first in line has waited at most, but at least since the first look.
    pub(super) fn oldest(&self, now: Instant) -> Duration {
        match self.looks.first() {
            Some((at, _)) if self.someone_waits => now.saturating_duration_since(*at),
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
        let (mut line, start) = (Line::default(), Instant::now());
        let at = |seconds: u32| start + SECOND * seconds;
        line.note(0, 0, at(0));
        assert_eq!(line.oldest(at(5)), Duration::ZERO, "nobody waits");
        line.note(0, 0, at(10));
        line.note(100, 0, at(12));
        assert_eq!(line.oldest(at(12)), 2 * SECOND);
        line.note(200, 50, at(20));
        assert_eq!(line.oldest(at(20)), 10 * SECOND, "51 came between 10 and 12");
        line.note(200, 150, at(30));
        assert_eq!(line.oldest(at(31)), 19 * SECOND, "151 came between 12 and 20");
        line.note(200, 200, at(40));
        assert_eq!(line.oldest(at(50)), Duration::ZERO);
    }

    #[test]
    fn a_line_that_is_met_waiting_has_waited_since_then() {
        let (mut line, start) = (Line::default(), Instant::now());
        line.note(100, 50, start);
        line.note(200, 60, start + SECOND);
        assert_eq!(line.oldest(start + 3 * SECOND), 3 * SECOND);
    }

    #[test]
    fn a_line_that_begins_anew_forgets() {
        let (mut line, start) = (Line::default(), Instant::now());
        line.note(100, 50, start);
        line.note(3, 0, start + SECOND);
        assert_eq!(line.oldest(start + 2 * SECOND), SECOND);
    }

    #[test]
    fn a_long_wait_takes_no_more_memory() {
        let (mut line, start) = (Line::default(), Instant::now());
        for look in 1..10_000_u32 {
            line.note(u64::from(look), 0, start + SECOND * look);
            assert!(line.looks.len() <= MOST_LOOKS);
        }
        assert_eq!(line.oldest(start + SECOND * 10_000), 9_999 * SECOND);
    }
}
