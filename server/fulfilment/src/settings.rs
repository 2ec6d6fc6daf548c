//! The settings of fulfilment and their ranges.

use std::time::Duration;

use inrush_core::store::MAX_BATCH;
pub use inrush_runtime::backoff::Backoff;
use inrush_runtime::settings;
use inrush_runtime::tls::{ClientTlsSettings, TlsError};
use tonic::transport::Endpoint;

use crate::reconcile::order_list::OrderList;

settings! {
    /// Settings of fulfilment.
    #[derive(Clone, Debug, PartialEq)]
    pub struct FulfilmentSettings {
        /// Addresses of the order system, `http://HOST:PORT` or `https://HOST:PORT`: 1 to 64. Each address has
        /// its own streams.
        pub orders: Vec<String> = vec!["http://127.0.0.1:50061".to_owned()],
        /// TLS for addresses with `https`.
        pub tls: ClientTlsSettings,
        /// Number of order streams to each address: 1 to 64. Each stream carries its entries in queue order; with
        /// one stream to one address the order system receives the whole queue in order.
        pub streams: usize = 1,
        /// Upper bound of the in-flight limit, the number of entries without an answer over all sales and
        /// streams: 1 to 65,536. The limit adapts between `min_concurrency` and this bound; the order system's
        /// credit can lower it.
        pub max_concurrency: usize = 16_384,
        /// Lower bound of the in-flight limit, however slow the order system is: 1 to 65,536. `max_concurrency`
        /// wins if it is lower. If both are equal the limit is fixed. Raise it for an order system that is slow
        /// and takes many entries concurrently: the limit doubles at most once per round trip.
        pub min_concurrency: usize = 16,
        /// Maximum number of entries that one operation of the store claims: 1 to 256.
        pub max_claim_batch: usize = MAX_BATCH,
        /// Maximum number of outcomes that one operation of the store settles: 1 to 256.
        pub max_settle_batch: usize = MAX_BATCH,
        /// Backoff between attempts of an entry, if the order system names no delay.
        pub retry: Backoff,
        /// Backoff between attempts to reach the order system or the store.
        pub reconnect: Backoff = Backoff { max: Duration::from_secs(5), ..Backoff::default() },
        /// Sales per second that are checked for lost announcements, over all sales: 1 to 100,000.
        pub sweep_rate: u32 = 50,
        /// Sales per second that are checked at the start, and after announcements were lost: 1 to 100,000.
        pub full_sweep_rate: u32 = 2_000,
        /// Time between two checks of a busy sale for expired leases: 10 ms to 1 h.
        #[serde(with = "humantime_serde")]
        pub recover_interval: Duration = Duration::from_secs(2),
        /// Fraction of a lease after which it is extended: 0.2 to 0.8.
        pub lease_extend_ratio: f64 = 0.5,
        /// How long the order system may take to answer an entry before it is requeued: 100 ms to 24 h.
        #[serde(with = "humantime_serde")]
        pub response_timeout: Duration = Duration::from_secs(300),
        /// How long fulfilment waits at shutdown for answers to entries in flight before it requeues them: 0 to 1 h.
        #[serde(with = "humantime_serde")]
        pub drain_timeout: Duration = Duration::from_secs(10),
    }
}

/// A setting that is out of range.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSetting {
    /// A value out of its range, or in conflict with another.
    #[error("fulfilment.{key}: {rule}")]
    Rule {
        /// The key below `fulfilment`.
        key: &'static str,
        /// The value and its range.
        rule: String,
    },
    /// Invalid TLS settings.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Each stream costs a task and a connection.
const MAX_ADDRESSES: usize = 64;
const MAX_STREAMS: usize = 64;
/// An entry in flight takes about 1 KiB, so a worker at its limit uses 64 MiB.
const MAX_CONCURRENCY: usize = 65_536;
const MAX_SWEEP_RATE: u32 = 100_000;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl FulfilmentSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting that is out of range, with the range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        between("orders", &self.orders.len(), &1, &MAX_ADDRESSES, "addresses")?;
        between("streams", &self.streams, &1, &MAX_STREAMS, "")?;
        between("max_concurrency", &self.max_concurrency, &1, &MAX_CONCURRENCY, "")?;
        between("min_concurrency", &self.min_concurrency, &1, &MAX_CONCURRENCY, "")?;
        between("max_claim_batch", &self.max_claim_batch, &1, &MAX_BATCH, "")?;
        between("max_settle_batch", &self.max_settle_batch, &1, &MAX_BATCH, "")?;
        check_backoff("retry", &self.retry)?;
        check_backoff("reconnect", &self.reconnect)?;
        between("sweep_rate", &self.sweep_rate, &1, &MAX_SWEEP_RATE, "sales per second")?;
        between("full_sweep_rate", &self.full_sweep_rate, &1, &MAX_SWEEP_RATE, "sales per second")?;
        check_duration("recover_interval", self.recover_interval, Duration::from_millis(10), HOUR)?;
        between("lease_extend_ratio", &self.lease_extend_ratio, &0.2, &0.8, "of the lease")?;
        check_duration("response_timeout", self.response_timeout, Duration::from_millis(100), DAY)?;
        check_duration("drain_timeout", self.drain_timeout, Duration::ZERO, HOUR)?;
        self.endpoints().map(drop)
    }

    /// The list of orders of the order system at these addresses.
    ///
    /// # Errors
    /// The addresses or the TLS settings are invalid.
    pub fn order_list(&self) -> Result<OrderList, InvalidSetting> {
        self.endpoints().map(|endpoints| OrderList::new(&endpoints))
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
                        format!("is required for `{address}`: name the file of the CAs"),
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
    min: &T,
    max: &T,
    unit: &str,
) -> Result<(), InvalidSetting> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(broken(key, format!("is {value}; it must be {min} to {max} {unit}").trim_end().to_owned()))
}

fn check_duration(
    key: &'static str,
    value: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), InvalidSetting> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(broken(key, format!("is {value:?}; it must be {min:?} to {max:?}")))
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
