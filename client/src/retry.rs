//! Whether a failed attempt is retried, and when.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::{
    attempt::{AttemptError, Origin},
    error::{Ended, retry_info},
    retry_budget::RetryBudget,
    retry_policy::RetryPolicy,
};

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Retries<'a> {
    policy: &'a RetryPolicy,
    budget: &'a RetryBudget,
    deadline: Instant,
    attempts: u32,
}

impl<'a> Retries<'a> {
    /// Starts a call with a deadline.
    pub(crate) fn begin(policy: &'a RetryPolicy, budget: &'a RetryBudget, deadline: Instant) -> Self {
        budget.deposit();
        Self { policy, budget, deadline, attempts: 0 }
    }

    /// Counts an attempt and returns its timeout.
    pub(crate) fn next_attempt(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        self.policy.attempt_timeout.min(self.remaining_time())
    }

    /// The number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The delay before the next attempt, or the reason why there is none.
    pub(crate) fn after(&self, error: &AttemptError) -> Result<Duration, Ended> {
        let retry_after = match decide(error) {
            RetryDecision::Stop => return Err(Ended::NotRetryable),
            RetryDecision::Retry => Duration::ZERO,
            RetryDecision::RetryAfter(delay) => delay,
        };
        if self.attempts >= self.policy.max_attempts {
            return Err(Ended::AttemptsUsed);
        }
        let wait = retry_after.saturating_add(self.policy.backoff(self.attempts));
        if wait >= self.remaining_time() {
            return Err(Ended::OutOfTime);
        }
        if !self.budget.withdraw() {
            return Err(Ended::BudgetSpent);
        }
        Ok(wait)
    }

    fn remaining_time(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Whether a failed attempt can be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// A retry would fail in the same way.
    Stop,
    /// A retry may succeed.
    Retry,
    /// A retry may succeed after the delay that the server asked for.
    RetryAfter(Duration),
}

/// Decides by the source and the status of a failed attempt.
pub(crate) fn decide(error: &AttemptError) -> RetryDecision {
    match error.origin {
        Origin::Transport | Origin::Timer => return RetryDecision::Retry,
        Origin::Caller => return RetryDecision::Stop,
        Origin::Server => {}
    }
    match (error.status.code(), retry_info(&error.status)) {
        (Code::Unavailable | Code::ResourceExhausted, Some(delay)) => RetryDecision::RetryAfter(delay),
        (Code::Unavailable | Code::DeadlineExceeded, _) => RetryDecision::Retry,
        _ => RetryDecision::Stop,
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

    fn overloaded(code: Code, seconds: u64) -> AttemptError {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
        from_server(Status::with_error_details(code, "busy", details))
    }

    #[test]
    fn only_transient_failures_are_retried() {
        let codes = (0..=16).map(Code::from_i32);
        let repeated: Vec<Code> = codes
            .filter(|code| decide(&from_server(Status::new(*code, ""))) == RetryDecision::Retry)
            .collect();
        assert_eq!(repeated, [Code::DeadlineExceeded, Code::Unavailable]);
    }

    #[test]
    fn only_an_overload_is_retried_after_the_delay_of_the_server() {
        let delay = RetryDecision::RetryAfter(Duration::from_secs(3));
        assert_eq!(decide(&overloaded(Code::Unavailable, 3)), delay);
        assert_eq!(decide(&overloaded(Code::ResourceExhausted, 3)), delay);
        assert_eq!(decide(&overloaded(Code::InvalidArgument, 3)), RetryDecision::Stop);
        assert_eq!(decide(&overloaded(Code::Internal, 3)), RetryDecision::Stop);
    }

    #[test]
    fn transport_failures_and_timeouts_are_retried_whatever_their_code() {
        for origin in [Origin::Transport, Origin::Timer] {
            let error = AttemptError { status: Status::internal(""), origin, connected: true };
            assert_eq!(decide(&error), RetryDecision::Retry);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_exceeded_bound_ends_a_call() {
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
        assert_eq!(retries.after(&overloaded(Code::Unavailable, 11)), Err(Ended::OutOfTime));
        assert!(
            retries.after(&overloaded(Code::Unavailable, 3)).is_ok_and(|wait| wait >= Duration::from_secs(3))
        );
        assert_eq!(retries.after(&overloaded(Code::Unavailable, 3)), Err(Ended::BudgetSpent));
        retries.next_attempt();
        assert_eq!(retries.after(&overloaded(Code::Unavailable, 3)), Err(Ended::AttemptsUsed));
    }
}
