//! A bound on all retries of a client together.

use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

use crate::retry_policy::RetryPolicy;

/// How far back calls earn retries. Long enough to smooth a burst, short enough that a good hour does not pay
/// for a storm of retries in the next bad minute.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// When Inrush is in trouble, every client that retries every call multiplies the trouble. Each call pays a
/// little into the budget and each retry takes the price of several calls out, so that retries stay a fixed
/// fraction of traffic however many calls fail.
#[derive(Debug)]
pub(crate) struct RetryBudget(TpsBudget);

impl RetryBudget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        // The half keeps the division that happens inside from coming out one too low.
        let retries_per_call = 1.0 / (f32::from(policy.calls_per_retry) + 0.5);
        Self(TpsBudget::new(BUDGET_WINDOW, policy.reserve_per_second.into(), retries_per_call))
    }

    /// A call begins, or something that is no more than a call.
    pub(crate) fn deposit(&self) {
        self.0.deposit();
    }

    /// Takes the price of one retry; false when there is not enough.
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
    async fn the_reserve_comes_back_with_time() {
        let policy = RetryPolicy { calls_per_retry: 5, reserve_per_second: 1, ..RetryPolicy::default() };
        let budget = RetryBudget::new(&policy);
        let spent = || (0..100).map(|_| u32::from(budget.withdraw())).sum::<u32>();
        assert_eq!(spent(), 10, "one for each second of the window");
        assert_eq!(spent(), 0);
        tokio::time::advance(BUDGET_WINDOW * 2).await;
        assert_eq!(spent(), 10);
    }
}
