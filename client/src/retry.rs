//! Whether to try again, and when.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::{
    attempt::{AttemptError, Origin},
    error::{Ended, retry_after},
    retry_budget::RetryBudget,
    retry_policy::RetryPolicy,
};

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
}
