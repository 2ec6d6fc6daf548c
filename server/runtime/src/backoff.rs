//! Exponential backoff with jitter.

use std::time::Duration;

use crate::settings;

settings! {
    /// Delays between retries: they double from `initial` to `max`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Backoff {
        /// Delay after the first failure: 1 ms to 1 h.
        #[serde(with = "humantime_serde")]
        pub initial: Duration = Duration::from_millis(100),
        /// Maximum delay: `initial` to 24 h.
        #[serde(with = "humantime_serde")]
        pub max: Duration = Duration::from_secs(30),
        /// Maximum fraction of a delay that is subtracted at random, so that replicas do not retry at the same
        /// time: 0 to 1.
        pub jitter: f64 = 0.5,
    }
}

impl Backoff {
    /// The delay after this many failures in a row.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let delay = self.initial.saturating_mul(1 << doublings).min(self.max);
        delay.mul_f64(1.0 - self.jitter * rand::random_range(0.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_the_jitter_shortens_them() {
        let exact =
            Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(35), jitter: 0.0 };
        let delays: Vec<u128> =
            [0, 1, 2, 3, 4, u32::MAX].map(|failures| exact.delay(failures).as_millis()).into();
        assert_eq!(delays, [10, 10, 20, 35, 35, 35]);
        let jittered = Backoff { jitter: 0.5, ..exact };
        for _ in 0..100 {
            let delay = jittered.delay(1);
            assert!(delay >= Duration::from_millis(5) && delay <= Duration::from_millis(10), "{delay:?}");
        }
    }
}
