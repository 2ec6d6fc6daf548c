//! Whether to try again, and when.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::{
    attempt::{AttemptError, Origin},
    budget::RetryBudget,
    connect_error::ConnectError,
    error::{Ended, retry_after},
};

/// The bounds on trying again. Every call of Inrush is safe to repeat: the same buyer gets the same ticket.
///
/// Tried again are: UNAVAILABLE, broken connections, RESOURCE_EXHAUSTED that says when to come back, and an
/// attempt without an answer while the call has time left. Business outcomes and wrong requests never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most attempts of one call, the first included: 1 to 100. 1 never tries again.
    pub max_attempts: u32,
    /// How long one attempt may take, so that a lost answer leaves time for another attempt: above zero.
    pub attempt_timeout: Duration,
    /// Upper end of the first wait; it doubles with every further one. Waits are drawn evenly from zero to
    /// their upper end, so that callers who failed together do not come back together.
    pub first_backoff: Duration,
    /// Upper end of the longest wait: at least `first_backoff`. The server's RetryInfo is waited for on top.
    pub max_backoff: Duration,
    /// How many calls earn one retry: 1 to 10,000. 5 keeps retries under a fifth of the calls of the last 10 s.
    pub calls_per_retry: u16,
    /// Retries per second that need not be earned, for clients that call rarely.
    pub reserve_per_second: u16,
    /// How long `follow` and `watch` go on without any answer before they end with the error.
    pub patience: Duration,
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
            patience: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// One attempt, no more.
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

    /// The wait before attempt number `failures + 1`: exponential, with full jitter.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        rand::random_range(Duration::ZERO..=self.longest_backoff(failures))
    }

    /// Upper end of the wait after so many failures in a row, from 1.
    fn longest_backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 2_u32.saturating_pow(doublings);
        self.first_backoff.saturating_mul(factor).min(self.max_backoff)
    }
}

/// One call's way through its attempts.
#[derive(Debug)]
pub(crate) struct Retries<'a> {
    policy: &'a RetryPolicy,
    budget: &'a RetryBudget,
    deadline: Instant,
    attempts: u32,
}

impl<'a> Retries<'a> {
    /// Begins a call that must be over by `deadline`.
    pub(crate) fn begin(policy: &'a RetryPolicy, budget: &'a RetryBudget, deadline: Instant) -> Self {
        budget.earn();
        Self { policy, budget, deadline, attempts: 0 }
    }

    /// Counts one attempt and says how long it may take.
    pub(crate) fn next_attempt(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        self.policy.attempt_timeout.min(self.time_left())
    }

    /// How many attempts were begun.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long to wait before the next attempt, or why there is none.
    pub(crate) fn after(&self, error: &AttemptError) -> Result<Duration, Ended> {
        let asked_for = match verdict(error) {
            Verdict::Final => return Err(Ended::NotRetryable),
            Verdict::Repeat => Duration::ZERO,
            Verdict::RepeatAfter(delay) => delay,
        };
        if self.attempts >= self.policy.max_attempts {
            return Err(Ended::AttemptsUsed);
        }
        let wait = asked_for.saturating_add(self.policy.backoff(self.attempts));
        if wait >= self.time_left() {
            return Err(Ended::OutOfTime);
        }
        if !self.budget.spend() {
            return Err(Ended::BudgetSpent);
        }
        Ok(wait)
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another attempt would fail in the same way.
    Final,
    /// Another attempt may succeed.
    Repeat,
    /// Another attempt may succeed once the server has had its rest.
    RepeatAfter(Duration),
}

/// Judges a failed attempt.
pub(crate) fn verdict(error: &AttemptError) -> Verdict {
    match error.origin {
        Origin::Transport | Origin::Timer => return Verdict::Repeat,
        Origin::Caller => return Verdict::Final,
        Origin::Server => {}
    }
    match (error.status.code(), retry_after(&error.status)) {
        (Code::Unavailable | Code::ResourceExhausted, Some(delay)) => Verdict::RepeatAfter(delay),
        (Code::Unavailable | Code::DeadlineExceeded, _) => Verdict::Repeat,
        _ => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn from_server(status: Status) -> AttemptError {
        AttemptError { status, origin: Origin::Server, connected: true }
    }

    fn resting(code: Code, seconds: u64) -> AttemptError {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
        from_server(Status::with_error_details(code, "busy", details))
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let codes = (0..=16).map(Code::from_i32);
        let repeated: Vec<Code> =
            codes.filter(|code| verdict(&from_server(Status::new(*code, ""))) == Verdict::Repeat).collect();
        assert_eq!(repeated, [Code::DeadlineExceeded, Code::Unavailable]);
    }

    #[test]
    fn a_delay_makes_an_overload_repeatable_and_nothing_else() {
        let delay = Verdict::RepeatAfter(Duration::from_secs(3));
        assert_eq!(verdict(&resting(Code::Unavailable, 3)), delay);
        assert_eq!(verdict(&resting(Code::ResourceExhausted, 3)), delay);
        assert_eq!(verdict(&resting(Code::InvalidArgument, 3)), Verdict::Final);
        assert_eq!(verdict(&resting(Code::Internal, 3)), Verdict::Final);
    }

    #[test]
    fn what_never_reached_the_server_is_repeated_whatever_its_code() {
        for origin in [Origin::Transport, Origin::Timer] {
            let error = AttemptError { status: Status::internal(""), origin, connected: true };
            assert_eq!(verdict(&error), Verdict::Repeat);
        }
    }

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

    #[tokio::test(start_paused = true)]
    async fn the_first_bound_that_is_met_ends_a_call() {
        let policy = RetryPolicy {
            max_attempts: 2,
            calls_per_retry: 1,
            reserve_per_second: 0,
            ..RetryPolicy::default()
        };
        let budget = RetryBudget::new(&policy);
        let soon = Instant::now() + Duration::from_secs(10);
        let mut retries = Retries::begin(&policy, &budget, soon);
        assert_eq!(retries.next_attempt(), policy.attempt_timeout);
        assert_eq!(retries.after(&resting(Code::Unavailable, 11)), Err(Ended::OutOfTime));
        assert!(
            retries.after(&resting(Code::Unavailable, 3)).is_ok_and(|wait| wait >= Duration::from_secs(3))
        );
        assert_eq!(retries.after(&resting(Code::Unavailable, 3)), Err(Ended::BudgetSpent));
        retries.next_attempt();
        assert_eq!(retries.after(&resting(Code::Unavailable, 3)), Err(Ended::AttemptsUsed));
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
