//! The budget shared by all retries of a client.

use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

use crate::retry_policy::RetryPolicy;

/// The time over which calls earn retries. Long enough to smooth a burst, short enough that earlier traffic
/// does not pay for a storm of retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// When Inrush is in trouble, a client that retries every call multiplies the load. Each call deposits a
/// little and each retry withdraws the deposits of several calls, so that retries stay a fixed fraction of
/// the traffic however many calls fail.
#[derive(Debug)]
pub(crate) struct RetryBudget(TpsBudget);

impl RetryBudget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        // The half keeps the division inside from rounding down by one.
        let retries_per_call = 1.0 / (f32::from(policy.calls_per_retry) + 0.5);
        Self(TpsBudget::new(BUDGET_WINDOW, policy.reserve_per_second.into(), retries_per_call))
    }

    /// A call starts, or a stream that counts as one call.
    pub(crate) fn deposit(&self) {
        self.0.deposit();
    }

    /// Withdraws one retry. Returns false if the budget is used up.
    pub(crate) fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries_after(calls: u32, calls_per_retry: u16) -> u32 {
        let policy = RetryPolicy { calls_per_retry, reserve_per_second: 0, ..RetryPolicy::default() };
        let budget = RetryBudget::new(&policy);
        (0..calls).for_each(|_| budget.deposit());
        (0..calls).map(|_| u32::from(budget.withdraw())).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_the_stated_fraction_of_calls() {
        for calls_per_retry in [1, 3, 5, 41, 1_000] {
            assert_eq!(retries_after(1_000, calls_per_retry), 1_000 / u32::from(calls_per_retry));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_reserve_is_refilled_over_time() {
        let policy = RetryPolicy { calls_per_retry: 5, reserve_per_second: 1, ..RetryPolicy::default() };
        let budget = RetryBudget::new(&policy);
        let spent = || (0..100).map(|_| u32::from(budget.withdraw())).sum::<u32>();
        assert_eq!(spent(), 10, "one for each second of the window");
        assert_eq!(spent(), 0);
        tokio::time::advance(BUDGET_WINDOW * 2).await;
        assert_eq!(spent(), 10);
    }
}
