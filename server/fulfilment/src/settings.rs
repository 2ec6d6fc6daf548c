//! What can be set, and what makes sense.

use std::time::Duration;

use inrush_core::store::MAX_BATCH;
pub use inrush_runtime::backoff::Backoff;
use inrush_runtime::settings;
use inrush_runtime::tls::{ClientTlsSettings, TlsError};
use tonic::transport::Endpoint;

settings! {
    /// Settings of fulfilment.
    #[derive(Clone, Debug, PartialEq)]
    pub struct FulfilmentSettings {
        /// Addresses of the order system, `http://HOST:PORT` or `https://HOST:PORT`: 1 to 64. Each gets streams of its own.
        pub orders: Vec<String> = vec!["http://127.0.0.1:50061".to_owned()],
        /// Whom to trust, for addresses with `https`.
        pub tls: ClientTlsSettings,
        /// Order streams to each address: 1 to 64. The order system sees the line in order on each stream, so with one
        /// stream to one address it sees the whole line in order.
        pub streams: usize = 1,
        /// Most entries that may ever wait for the order system's answer, over all sales and streams: 1 to 65,536. How many
        /// may just now is found out by trying, between `min_concurrency` and this; the order system can ask for less.
        pub max_concurrency: usize = 16_384,
        /// How many entries may always wait for the order system's answer, however slow it becomes: 1 to 65,536, and no more
        /// than `max_concurrency`, which has the last word. With both the same nothing is tried: always so many. Raise it for an
        /// order system that is slow and bears many, which is found out by a round trip for each doubling.
        pub min_concurrency: usize = 16,
        /// Most entries claimed by one call of the store: 1 to 256.
        pub max_claim_batch: usize = MAX_BATCH,
        /// Most outcomes recorded by one call of the store: 1 to 256.
        pub max_settle_batch: usize = MAX_BATCH,
        /// How long an entry waits before it is tried again, where the order system does not say.
        pub retry: Backoff,
        /// How long to wait before asking an order system or a store again that is away.
        pub reconnect: Backoff = Backoff { max: Duration::from_secs(5), ..Backoff::default() },
        /// Sales looked at per second in case an announcement was lost, however many there are: 1 to 100,000.
        pub sweep_rate: u32 = 50,
        /// Sales looked at per second after announcements are known to be lost, and at the start: 1 to 100,000.
        pub full_sweep_rate: u32 = 2_000,
        /// How long a busy sale goes without a look for leases that have ended: 10 ms to 1 h.
        #[serde(with = "humantime_serde")]
        pub recover_interval: Duration = Duration::from_secs(2),
        /// The part of a lease after which it is extended: 0.2 to 0.8.
        pub lease_extend_ratio: f64 = 0.5,
        /// How long the order system may take for one answer before the entry is handed back to be sent again: 100 ms to 24 h.
        #[serde(with = "humantime_serde")]
        pub response_timeout: Duration = Duration::from_secs(300),
        /// How long unanswered entries are waited for at the end before they are handed back: at most 1 h.
        #[serde(with = "humantime_serde")]
        pub drain_timeout: Duration = Duration::from_secs(10),
    }
}

/// A setting that breaks its rule.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSetting {
    /// A value out of its range, or one that does not go with another.
    #[error("fulfilment.{key}: {rule}")]
    Rule {
        /// The key below `fulfilment`.
        key: &'static str,
        /// What it must be.
        rule: String,
    },
    /// TLS cannot be set up as asked.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Each lane costs a task and a connection.
const MOST_ADDRESSES: usize = 64;
const MOST_STREAMS: usize = 64;
/// An unanswered entry takes about 1 KiB, so that a worker at its limit holds 64 MiB.
const MOST_CONCURRENCY: usize = 65_536;
const FASTEST_SWEEP: u32 = 100_000;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl FulfilmentSettings {
    /// Checks every setting against its bounds.
    ///
    /// # Errors
    /// Names the first setting that breaks its rule, and the rule.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        between("orders", &self.orders.len(), &1, &MOST_ADDRESSES, "addresses")?;
        between("streams", &self.streams, &1, &MOST_STREAMS, "")?;
        between("max_concurrency", &self.max_concurrency, &1, &MOST_CONCURRENCY, "")?;
        between("min_concurrency", &self.min_concurrency, &1, &MOST_CONCURRENCY, "")?;
        between("max_claim_batch", &self.max_claim_batch, &1, &MAX_BATCH, "")?;
        between("max_settle_batch", &self.max_settle_batch, &1, &MAX_BATCH, "")?;
        check_backoff("retry", &self.retry)?;
        check_backoff("reconnect", &self.reconnect)?;
        between("sweep_rate", &self.sweep_rate, &1, &FASTEST_SWEEP, "sales per second")?;
        between("full_sweep_rate", &self.full_sweep_rate, &1, &FASTEST_SWEEP, "sales per second")?;
        check_duration("recover_interval", self.recover_interval, Duration::from_millis(10), HOUR)?;
        between("lease_extend_ratio", &self.lease_extend_ratio, &0.2, &0.8, "of the lease")?;
        check_duration("response_timeout", self.response_timeout, Duration::from_millis(100), DAY)?;
        check_duration("drain_timeout", self.drain_timeout, Duration::ZERO, HOUR)?;
        self.endpoints().map(drop)
    }

    /// One endpoint for each address, ready to connect.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>, InvalidSetting> {
        let tls = self.tls.load("fulfilment.tls")?;
        self.orders
            .iter()
            .map(|address| {
                let endpoint = Endpoint::from_shared(address.clone()).map_err(|_| {
                    broken("orders", format!("`{address}` is not an address: write http://HOST:PORT"))
                })?;
                match (endpoint.uri().scheme_str(), &tls) {
                    (Some("http"), None) => Ok(endpoint),
                    (Some("https"), Some(tls)) => endpoint
                        .tls_config(tls.clone())
                        .map_err(|error| broken("tls", format!("cannot be used for `{address}`: {error}"))),
                    (Some("http"), Some(_)) => Err(broken(
                        "orders",
                        format!("`{address}` has no TLS, but fulfilment.tls is set: write https://"),
                    )),
                    (Some("https"), None) => Err(broken(
                        "tls.ca_file",
                        format!("is needed to trust `{address}`: name the authorities' file"),
                    )),
                    _ => Err(broken("orders", format!("`{address}` must start with http:// or https://"))),
                }
            })
            .collect()
    }
}

fn check_backoff(table: &'static str, backoff: &Backoff) -> Result<(), InvalidSetting> {
    check_duration(table, backoff.initial, Duration::from_millis(1), HOUR)?;
    check_duration(table, backoff.max, backoff.initial, DAY)?;
    between(table, &backoff.jitter, &0.0, &1.0, "as jitter")
}

fn between<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: &T,
    least: &T,
    most: &T,
    unit: &str,
) -> Result<(), InvalidSetting> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(broken(key, format!("is {value}; it must be {least} to {most} {unit}").trim_end().to_owned()))
}

fn check_duration(
    key: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), InvalidSetting> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(broken(key, format!("is {value:?}; it must be {least:?} to {most:?}")))
}

fn broken(key: &'static str, rule: String) -> InvalidSetting {
    InvalidSetting::Rule { key, rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(change: impl FnOnce(&mut FulfilmentSettings)) -> Option<String> {
        let mut settings = FulfilmentSettings::default();
        change(&mut settings);
        let message = settings.validate().err()?.to_string();
        message.split(':').next().map(ToOwned::to_owned)
    }

    #[test]
    fn the_defaults_are_valid_and_errors_name_the_setting() {
        assert_eq!(key_of(|_| ()), None);
        assert_eq!(key_of(|s| s.orders.clear()).as_deref(), Some("fulfilment.orders"));
        assert_eq!(key_of(|s| s.orders = vec!["ftp://x".into()]).as_deref(), Some("fulfilment.orders"));
        assert_eq!(key_of(|s| s.orders = vec!["no address".into()]).as_deref(), Some("fulfilment.orders"));
        assert_eq!(
            key_of(|s| s.orders = vec!["https://x:1".into()]).as_deref(),
            Some("fulfilment.tls.ca_file")
        );
        assert_eq!(key_of(|s| s.max_concurrency = 0).as_deref(), Some("fulfilment.max_concurrency"));
        assert_eq!(key_of(|s| s.min_concurrency = 0).as_deref(), Some("fulfilment.min_concurrency"));
        assert_eq!(
            key_of(|s| s.max_claim_batch = MAX_BATCH + 1).as_deref(),
            Some("fulfilment.max_claim_batch")
        );
        assert_eq!(
            key_of(|s| s.lease_extend_ratio = f64::NAN).as_deref(),
            Some("fulfilment.lease_extend_ratio")
        );
        assert_eq!(key_of(|s| s.retry.max = Duration::ZERO).as_deref(), Some("fulfilment.retry"));
        assert_eq!(key_of(|s| s.reconnect.jitter = 1.5).as_deref(), Some("fulfilment.reconnect"));
    }
}
