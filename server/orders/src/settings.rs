//! The settings of the order system and their ranges.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use inrush_runtime::{config::SettingType, settings};

use crate::{database_url::DatabaseUrl, front_client::FrontUrl};

settings! {
    /// Settings of the order system.
    #[derive(Clone, Debug, PartialEq)]
    pub struct OrderSettings {
        /// Address to listen on, `HOST:PORT`; port 0 takes a free port.
        // Loopback only: callers are not authenticated.
        pub listen: String = "127.0.0.1:50061".to_owned(),
        /// URL of the order database: `sqlite::memory:` (lost when the process ends), `sqlite:PATH` or
        /// `postgres://…`.
        pub database: DatabaseUrl = DatabaseUrl::memory(),
        /// Maximum rate of orders per second, over all streams. 0: no limit but the database.
        pub capacity: u32,
        /// Minimum time from accepting an entry to its answer: 0 to 1 h. It does not lower the capacity.
        #[serde(with = "humantime_serde")]
        pub latency: Duration,
        /// Fraction of entries that are answered with a retry instead of being processed: 0 to 1.
        pub failure_rate: f64,
        /// Fraction of orders that are never paid: 0 to 1.
        pub unpaid_share: f64,
        /// How long an order may stay unpaid before it is released: above 0.
        #[serde(with = "humantime_serde")]
        pub payment_timeout: Duration = Duration::from_secs(15 * 60),
        /// Maximum number of entries in flight per stream: 1 to 65,536.
        pub credit: u32 = 1_024,
        /// Maximum number of orders per transaction: 1 to 4,096.
        pub max_batch: u32 = 512,
        /// URL of a front, `http://HOST:PORT`: the order system reads the stock of sales that `stock` does not
        /// list from it, and reports released orders to it. Unset: only sales in `stock` are known, and released
        /// orders are not reported.
        pub front: Option<FrontUrl>,
        /// File with the bearer token for the front, if it requires one.
        pub front_token_file: Option<PathBuf>,
        /// Units of stock by sale id. A sale that is deleted and created again under its id has them once more.
        pub stock: BTreeMap<String, u64>,
    }
}

impl SettingType for DatabaseUrl {}
impl SettingType for FrontUrl {}

/// An entry in flight takes about 1 KiB, so a stream at its limit uses 64 MiB.
const MAX_CREDIT: u32 = 65_536;
/// Larger transactions are not faster and hold their locks for longer.
const MAX_BATCH: u32 = 4_096;
/// The longest lease of fulfilment is an hour: with a higher latency it would expire.
const MAX_LATENCY: Duration = Duration::from_secs(3_600);

impl OrderSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range, with the range.
    pub fn validate(&self) -> anyhow::Result<()> {
        share("failure_rate", self.failure_rate)?;
        share("unpaid_share", self.unpaid_share)?;
        between("credit", self.credit, MAX_CREDIT)?;
        between("max_batch", self.max_batch, MAX_BATCH)?;
        ensure!(
            self.latency <= MAX_LATENCY,
            "latency is {}; it must be at most {}",
            humantime::format_duration(self.latency),
            humantime::format_duration(MAX_LATENCY)
        );
        ensure!(!self.payment_timeout.is_zero(), "payment_timeout is 0; it must be above 0, such as \"15m\"");
        ensure!(
            self.front_token_file.is_none() || self.front.is_some(),
            "front_token_file is set without front; set front to the URL that the token is for"
        );
        for (sale_id, units) in &self.stock {
            ensure!(!sale_id.is_empty(), "stock contains an empty sale id");
            i64::try_from(*units)
                .with_context(|| format!("stock of {sale_id} is {units}; it must be at most {}", i64::MAX))?;
        }
        Ok(())
    }
}

fn share(name: &str, value: f64) -> anyhow::Result<()> {
    ensure!((0.0..=1.0).contains(&value), "{name} is {value}; it must be from 0 to 1");
    Ok(())
}

fn between(name: &str, value: u32, max: u32) -> anyhow::Result<()> {
    ensure!((1..=max).contains(&value), "{name} is {value}; it must be from 1 to {max}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::OrderSettings;

    fn parse(text: &str) -> Result<OrderSettings, String> {
        let settings: OrderSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.validate().map_err(|error| format!("{error:#}"))?;
        Ok(settings)
    }

    #[test]
    fn defaults_are_valid_and_survive_a_round_trip() {
        let defaults = OrderSettings::default();
        assert_eq!(parse("").unwrap(), defaults);
        assert_eq!(parse(&toml::to_string(&defaults).unwrap()).unwrap(), defaults);
    }

    #[test]
    fn every_setting_can_be_set() {
        let settings = parse(
            r#"
            database = "sqlite:orders.db"
            capacity = 500
            latency = "20ms"
            failure_rate = 0.01
            unpaid_share = 0.1
            payment_timeout = "2m"
            credit = 64
            max_batch = 16
            front = "http://127.0.0.1:50051"
            front_token_file = "/run/secrets/front"
            stock = { shoes = 2000 }
            "#,
        )
        .unwrap();
        assert_eq!(settings.latency.as_millis(), 20);
        assert_eq!(settings.payment_timeout.as_secs(), 120);
        assert_eq!(settings.stock.get("shoes"), Some(&2000));
    }

    #[test]
    fn an_invalid_setting_is_named() {
        for (text, named) in [
            ("failure_rate = 1.5", "failure_rate is 1.5"),
            ("failure_rate = nan", "failure_rate is NaN"),
            ("unpaid_share = -0.1", "unpaid_share is -0.1"),
            ("credit = 0", "credit is 0"),
            ("credit = 70000", "credit is 70000"),
            ("max_batch = 0", "max_batch is 0"),
            ("latency = '2h'", "latency is 2h"),
            ("payment_timeout = '0s'", "payment_timeout is 0"),
            ("front_token_file = 'x'", "front_token_file"),
            ("front = 'https://front:50051'", "http://HOST:PORT"),
            ("front = 'front:50051'", "http://HOST:PORT"),
            ("database = 'mysql://db/orders'", "sqlite:"),
            ("speed = 1", "unknown field `speed`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
