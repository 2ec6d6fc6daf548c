//! The bounds on retries.

use std::time::Duration;

use crate::connect_error::ConnectError;

/// The bounds on retries. Every call of Inrush is safe to repeat: the same buyer gets the same ticket.
///
/// Retried are UNAVAILABLE, broken connections, RESOURCE_EXHAUSTED with RetryInfo, and attempts that timed
/// out before the deadline of the call. Business outcomes and invalid requests are never retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of one call, including the first: 1 to 100. 1 disables retries.
    pub max_attempts: u32,
    /// The timeout of one attempt, so that a lost answer leaves time for another: above zero.
    pub attempt_timeout: Duration,
    /// Upper bound of the first delay; it doubles with every further one. Delays are uniform between zero and
    /// their upper bound, so that callers that failed together do not retry together.
    pub first_backoff: Duration,
    /// Upper bound of the longest delay: at least `first_backoff`. The server's RetryInfo is added to it.
    pub max_backoff: Duration,
    /// The number of calls that earn one retry: 1 to 10,000. 5 keeps retries below a fifth of the calls of
    /// the last 10 s.
    pub calls_per_retry: u16,
    /// Retries per second that need not be earned, for clients with few calls.
    pub reserve_per_second: u16,
    /// How long `follow` and `watch` retry without any answer before they end with the error.
    pub no_answer_timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            attempt_timeout: Duration::from_secs(3),
            first_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
            calls_per_retry: 5,
            reserve_per_second: 10,
            no_answer_timeout: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// A single attempt.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    pub(crate) fn validate(&self) -> Result<(), ConnectError> {
        let out_of_range = |name, rule| Err(ConnectError::OutOfRange { name, rule });
        if !(1..=100).contains(&self.max_attempts) {
            return out_of_range("retry.max_attempts", "1 to 100");
        }
        if self.attempt_timeout.is_zero() {
            return out_of_range("retry.attempt_timeout", "above zero");
        }
        if self.first_backoff.is_zero() || self.max_backoff < self.first_backoff {
            return out_of_range("retry.first_backoff", "above zero and at most retry.max_backoff");
        }
        if !(1..=10_000).contains(&self.calls_per_retry) {
            return out_of_range("retry.calls_per_retry", "1 to 10,000");
        }
        Ok(())
    }

    /// The delay after this many failures in a row: exponential, with full jitter.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        rand::random_range(Duration::ZERO..=self.longest_backoff(failures))
    }

    /// Its upper bound, from 1 failure.
    fn longest_backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 2_u32.saturating_pow(doublings);
        self.first_backoff.saturating_mul(factor).min(self.max_backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        let policy = RetryPolicy {
            first_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_millis(300),
            ..RetryPolicy::default()
        };
        let longest: Vec<u128> =
            [1, 2, 3, 4, 40, u32::MAX].map(|failures| policy.longest_backoff(failures).as_millis()).to_vec();
        assert_eq!(longest, [50, 100, 200, 300, 300, 300]);
        assert!((0..200).all(|_| policy.backoff(2) <= Duration::from_millis(100)));
    }

    #[test]
    fn bounds_are_checked() {
        assert!(RetryPolicy::default().validate().is_ok());
        assert!(RetryPolicy::never().validate().is_ok());
        let broken = [
            RetryPolicy { max_attempts: 0, ..RetryPolicy::default() },
            RetryPolicy { attempt_timeout: Duration::ZERO, ..RetryPolicy::default() },
            RetryPolicy { first_backoff: Duration::from_secs(9), ..RetryPolicy::default() },
            RetryPolicy { calls_per_retry: 0, ..RetryPolicy::default() },
        ];
        for policy in broken {
            assert!(policy.validate().is_err(), "{policy:?}");
        }
    }
}
