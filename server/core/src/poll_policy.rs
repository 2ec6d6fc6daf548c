//! When a waiting buyer should ask again, and how long the wait will be.
//!
//! The aim is that a million waiting buyers ask a bounded number of times per second, and that nobody learns of the
//! order much later than it exists: who is near asks often, who is far asks seldom, and nobody asks in step.

use std::time::Duration;

use crate::sale::from_milli;

/// Soonest a buyer is asked to come back.
pub const MIN_POLL: Duration = Duration::from_millis(200);

/// Latest a buyer is asked to come back.
pub const MAX_POLL: Duration = Duration::from_secs(30);

/// A buyer comes back after this part of the expected wait. The wait halves each time, so a wrong guess is corrected some
/// times on the way, and a buyer asks about log₂(wait / [`MIN_POLL`]) times in all.
const PART_OF_WAIT: f64 = 0.5;

/// Assumed while nothing was measured yet, in tickets per second.
const ASSUMED_PACE: f64 = 100.0;

/// Half the width of the jitter, as a part of the delay.
const JITTER: f64 = 0.25;

/// The expected wait at `position`, when `millitickets_per_second` are claimed; none when nothing is.
#[must_use]
pub fn eta(position: u64, millitickets_per_second: u64) -> Option<Duration> {
    if millitickets_per_second == 0 {
        return None;
    }
    let seconds = as_number(position) / from_milli(millitickets_per_second);
    Duration::try_from_secs_f64(seconds).ok()
}

/// When the buyer at `position` should ask again. `random` is even in 0 to 1 and spreads the buyers.
#[must_use]
pub fn poll_after(position: u64, millitickets_per_second: u64, random: f64) -> Duration {
    let pace = if millitickets_per_second == 0 { ASSUMED_PACE } else { from_milli(millitickets_per_second) };
    let seconds =
        (as_number(position) / pace * PART_OF_WAIT).clamp(MIN_POLL.as_secs_f64(), MAX_POLL.as_secs_f64());
    let spread = 1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    Duration::from_secs_f64(seconds * spread)
}

#[expect(clippy::cast_precision_loss, reason = "positions are far below 2⁵²")]
const fn as_number(position: u64) -> f64 {
    position as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_the_position_over_the_pace() {
        assert_eq!(eta(500, 100_000), Some(Duration::from_secs(5)));
        assert_eq!(eta(500, 0), None);
    }

    #[test]
    fn the_far_ask_seldom_the_near_often_and_nobody_in_step() {
        assert_eq!(poll_after(1, 1_000_000, 0.5), MIN_POLL);
        assert_eq!(poll_after(1_000_000, 1_000_000, 0.5), MAX_POLL);
        assert_eq!(poll_after(4000, 1_000_000, 0.5), Duration::from_secs(2));
        assert!(poll_after(4000, 1_000_000, 0.0) < poll_after(4000, 1_000_000, 1.0));
    }

    #[test]
    fn a_million_waiting_buyers_ask_a_bounded_number_of_times_a_second() {
        for pace in [0, 100_000, 1_000_000, 10_000_000] {
            let asked: f64 =
                (1..=1_000_000_u64).map(|position| 1.0 / poll_after(position, pace, 0.5).as_secs_f64()).sum();
            assert!(asked < 150_000.0, "{asked} polls per second at pace {pace}");
        }
    }
}
