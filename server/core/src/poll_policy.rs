//! When a waiting buyer polls next, and the estimated wait (eta).
//!
//! A million waiting buyers must poll at a bounded rate, and a buyer should see an order soon after it exists: buyers at
//! the front of the queue poll often, the others rarely, and jitter spreads their polls.
//!
//! The bound: a buyer who waits longer than a minute polls every [`MAX_POLL`], and [`POLLS_IN_THE_LAST_MINUTE`] times in
//! the last minute. So N buyers at a pace of P tickets per second poll at most N / 30 + 10.1 P times per second: a million
//! at 1,000 per second 43,400 times. If all of them arrive together, the jitter spreads their first polls over 30 s, and
//! the next ones overlap: for some seconds they poll up to 1.75 times as often.

use std::time::Duration;

use crate::sale::from_milli;

/// Shortest mean delay until the next poll.
pub const MIN_POLL: Duration = Duration::from_millis(200);

/// Longest mean delay until the next poll.
pub const MAX_POLL: Duration = Duration::from_secs(30);

/// Upper bound on a buyer's mean number of polls in the last minute before the claim: 2 ln(60 s / 0.4 s) while the wait is
/// halved each time, less the two polls of one who polls every [`MAX_POLL`].
pub const POLLS_IN_THE_LAST_MINUTE: f64 = 10.1;

/// A buyer polls again after this part of the expected wait. The wait halves each time, so a wrong estimate is corrected
/// several times.
const PART_OF_WAIT: f64 = 0.5;

/// The assumed pace before the first measurement, in tickets per second.
const ASSUMED_PACE: f64 = 100.0;

/// Half the width of the jitter, as a part of the delay. Half as much would double the polls half a minute after all
/// arrived together; it must stay below 1, so that no delay exceeds the expected wait.
const JITTER: f64 = 0.5;

/// The expected wait at `position`, when `millitickets_per_second` are claimed; `None` if nothing is claimed.
#[must_use]
pub fn eta(position: u64, millitickets_per_second: u64) -> Option<Duration> {
    if millitickets_per_second == 0 {
        return None;
    }
    let seconds = as_number(position) / from_milli(millitickets_per_second);
    Duration::try_from_secs_f64(seconds).ok()
}

/// When the buyer at `position` polls next. `random` is uniform in 0 to 1 and spreads the buyers.
#[must_use]
pub fn poll_after(position: u64, millitickets_per_second: u64, random: f64) -> Duration {
    let pace = if millitickets_per_second == 0 { ASSUMED_PACE } else { from_milli(millitickets_per_second) };
    let seconds =
        (as_number(position) / pace * PART_OF_WAIT).clamp(MIN_POLL.as_secs_f64(), MAX_POLL.as_secs_f64());
    let spread = 1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    Duration::from_secs_f64(seconds * spread)
}

/// Upper bound on the mean polls per second of `waiting` buyers, once their polls have spread.
#[must_use]
pub fn max_polls_per_second(waiting: u64, millitickets_per_second: u64) -> f64 {
    let last_minute = POLLS_IN_THE_LAST_MINUTE * from_milli(millitickets_per_second);
    as_number(waiting) / MAX_POLL.as_secs_f64() + last_minute
}

#[expect(clippy::cast_precision_loss, reason = "positions are far below 2⁵²")]
const fn as_number(position: u64) -> f64 {
    position as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    const PACES: [u64; 3] = [10, 100, 1_000];
    const BUYERS: u64 = 20_000;

    /// How many have been claimed by then.
    fn claimed(seconds: f64, pace: u64) -> u64 {
        Duration::from_secs_f64(seconds).as_secs() * pace
    }

    /// Buyers who arrive together, are claimed at this pace, and poll when the policy says so: how many polled in each
    /// second, and how many times each on average.
    fn polls(pace: u64) -> (BTreeMap<u64, f64>, f64) {
        let mut by_second = BTreeMap::new();
        let mut random = StdRng::seed_from_u64(1);
        for buyer in 1..=BUYERS {
            let claimed_after = as_number(buyer) / as_number(pace);
            let mut now = 0.0;
            while now < claimed_after {
                let position = buyer - claimed(now, pace).min(buyer - 1);
                now += poll_after(position, pace * 1_000, random.random()).as_secs_f64();
                *by_second.entry(Duration::from_secs_f64(now).as_secs()).or_default() += 1.0;
            }
        }
        let total: f64 = by_second.values().sum();
        (by_second, total / as_number(BUYERS))
    }

    #[test]
    fn the_wait_is_the_position_over_the_pace() {
        assert_eq!(eta(500, 100_000), Some(Duration::from_secs(5)));
        assert_eq!(eta(500, 0), None);
    }

    #[test]
    fn buyers_far_back_poll_less_often_and_not_in_step() {
        assert_eq!(poll_after(1, 1_000_000, 0.5), MIN_POLL);
        assert_eq!(poll_after(1_000_000, 1_000_000, 0.5), MAX_POLL);
        assert_eq!(poll_after(4000, 1_000_000, 0.5), Duration::from_secs(2));
        assert!(poll_after(4000, 1_000_000, 0.0) < poll_after(4000, 1_000_000, 1.0));
    }

    #[test]
    fn poll_after_ends_before_the_expected_turn() {
        for position in [1_000, 10_000, 100_000] {
            let wait = eta(position, 1_000_000).unwrap();
            assert!(poll_after(position, 1_000_000, 1.0) < wait);
        }
    }

    #[test]
    fn buyers_who_follow_poll_after_stay_below_the_bound() {
        for pace in PACES {
            let (by_second, each) = polls(pace);
            for (second, polls) in by_second {
                let waiting = BUYERS.saturating_sub(pace * second.saturating_sub(1));
                let max = max_polls_per_second(waiting, pace * 1_000);
                // The 1.75 is for all buyers arriving together, the rest for chance and for last polls.
                let overlap = if second < 120 { 1.75 } else { 1.1 };
                let chance = 6.0 * max.sqrt();
                assert!(polls <= overlap * max + chance, "{polls} at {second} s, pace {pace}, and not {max}");
            }
            let wait = as_number(BUYERS / pace) / 2.0;
            assert!(each <= 1.2 * wait / 30.0 + POLLS_IN_THE_LAST_MINUTE, "{each} at pace {pace}");
        }
    }

    #[test]
    fn a_million_waiting_buyers_send_a_bounded_number_of_polls_per_second() {
        for pace in [100_000, 1_000_000, 10_000_000] {
            let polls: f64 =
                (1..=1_000_000_u64).map(|position| 1.0 / poll_after(position, pace, 0.5).as_secs_f64()).sum();
            let max = max_polls_per_second(1_000_000, pace);
            assert!(
                polls <= max && polls > 0.9 * max,
                "{polls} polls per second at pace {pace}, and not {max}"
            );
        }
    }
}
