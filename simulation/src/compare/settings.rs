//! The settings of a comparison: an order system, a rush, and buyers with a timeout and retries.

use std::time::Duration;

use inrush_transport::Error;
use serde::Serialize;

use crate::{
    arrivals::{Arrivals, Curve},
    buyer::Buyer,
    order_system::{ModelSettings, OrderSystemSettings},
};

/// Credit of an order system in seconds of its capacity, enough that its workers never wait for the network.
const CREDIT_AHEAD: f64 = 0.1;

/// Maximum of the durations.
const MAX_DURATION: Duration = Duration::from_secs(3_600);

/// What is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// How many orders the order system processes concurrently.
    pub workers: u32,
    /// How long each takes.
    #[serde(with = "humantime_serde")]
    pub service: Duration,
    /// How long it takes to find that there is nothing to do: the order exists, or nothing is left.
    #[serde(with = "humantime_serde")]
    pub look_up: Duration,
    /// Slowdown for each order that waits per worker; 0: none.
    pub contention: f64,
    /// Maximum number of orders that wait for a worker; further ones are refused.
    pub backlog: usize,
    /// Units on sale.
    pub units: u64,
    /// Arrivals as a multiple of what the order system can serve.
    pub rush: f64,
    /// How long buyers arrive.
    #[serde(with = "humantime_serde")]
    pub rush_lasts: Duration,
    /// How long a buyer waits for an answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How often a buyer tries again.
    pub retries: u32,
    /// Backoff before the first retry; it doubles each time, with jitter of half of it.
    #[serde(with = "humantime_serde")]
    pub backoff: Duration,
    /// Seed of the arrival times.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 20,
            service: Duration::from_millis(100),
            look_up: Duration::from_millis(10),
            contention: 0.0,
            backlog: 100_000,
            units: 4_000,
            rush: 10.0,
            rush_lasts: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            retries: 3,
            backoff: Duration::from_millis(500),
            seed: 1,
        }
    }
}

impl Settings {
    /// A comparison that takes less time.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            workers: 5,
            service: Duration::from_millis(50),
            look_up: Duration::from_millis(5),
            units: 500,
            rush_lasts: Duration::from_secs(3),
            timeout: Duration::from_secs(1),
            retries: 2,
            backoff: Duration::from_millis(200),
            ..Self::default()
        }
    }

    /// Orders per second that the order system can make.
    pub fn capacity(&self) -> f64 {
        f64::from(self.workers) / self.service.as_secs_f64()
    }

    /// How many buyers come.
    pub fn buyers(&self) -> Buyer {
        let buyers = self.rush * self.capacity() * self.rush_lasts.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is checked to be in range, and a float is cut off at the bounds of an integer"
        )]
        let buyers = buyers.round() as Buyer;
        buyers
    }

    /// How long the order system takes for all units, if it is always busy.
    pub fn ideal_time(&self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "units are far fewer than 2⁵²")]
        Duration::from_secs_f64(self.units as f64 / self.capacity())
    }

    /// When buyers arrive: as many at any time.
    pub(super) fn arrivals(&self) -> Arrivals {
        Arrivals::new(Curve::Constant { within: self.rush_lasts }, self.buyers(), self.seed)
    }

    /// The order system.
    pub(super) fn order_system(&self) -> OrderSystemSettings {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is checked to be in range"
        )]
        let ahead = (self.capacity() * CREDIT_AHEAD).ceil() as u32;
        let model = ModelSettings {
            workers: self.workers,
            service: self.service,
            look_up: self.look_up,
            contention: self.contention,
            most_waiting: self.backlog,
            stock: Some(self.units),
        };
        OrderSystemSettings { model, credit: self.workers * 2 + ahead }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// When a value is out of range; its flag is named.
    pub fn check(&self) -> Result<(), Error> {
        let within = |flag: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::new(format!("{flag} is {value}"), format!("it must be {least} to {most}")))
        };
        let duration = |flag: &str, value: Duration, least: Duration| {
            within(flag, value.as_secs_f64(), least.as_secs_f64(), MAX_DURATION.as_secs_f64())
        };
        let millisecond = Duration::from_millis(1);
        within("--workers", f64::from(self.workers), 1.0, 100_000.0)?;
        duration("--service (in seconds)", self.service, millisecond)?;
        duration("--look-up (in seconds)", self.look_up, Duration::ZERO)?;
        within("--contention", self.contention, 0.0, 100.0)?;
        within("--rush", self.rush, 0.1, 1_000.0)?;
        duration("--rush-lasts (in seconds)", self.rush_lasts, millisecond)?;
        duration("--timeout (in seconds)", self.timeout, millisecond)?;
        duration("--backoff (in seconds)", self.backoff, millisecond)?;
        within("--retries", f64::from(self.retries), 0.0, 100.0)?;
        within("the capacity (--workers over --service)", self.capacity(), 0.1, 100_000.0)?;
        let buyers = self.rush * self.capacity() * self.rush_lasts.as_secs_f64();
        within("the number of buyers (--rush × capacity × --rush-lasts)", buyers, 1.0, 10_000_000.0)?;
        duration("the time for all --units (in seconds)", self.ideal_time(), millisecond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rush_is_ten_times_the_capacity() {
        let settings = Settings::default();
        assert!(settings.check().is_ok() && Settings::quick().check().is_ok());
        assert!((settings.capacity() - 200.0).abs() < 1e-9);
        assert_eq!((settings.buyers(), settings.ideal_time()), (20_000, Duration::from_secs(20)));
    }

    #[test]
    fn values_out_of_range_name_their_flag() {
        let wrong = |settings: Settings| settings.check().unwrap_err().wrong().to_owned();
        assert_eq!(wrong(Settings { workers: 0, ..Settings::default() }), "--workers is 0");
        assert_eq!(wrong(Settings { contention: -1.0, ..Settings::default() }), "--contention is -1");
        assert!(wrong(Settings { rush: 0.0, ..Settings::default() }).starts_with("--rush"));
        assert!(wrong(Settings { units: 100_000_000, ..Settings::default() }).contains("--units"));
    }
}
