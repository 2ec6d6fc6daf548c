//! What an operator decides about a front node.

use std::{fmt::Display, net::TcpListener, num::NonZeroUsize, ops::RangeInclusive, time::Duration};

use inrush_core::store::MAX_BATCH;
use inrush_runtime::{
    listen::{ListenError, bind_many},
    settings,
    tls::ServerTlsSettings,
};

/// Most cores that a node can be told to use; more is a slip of the finger.
const MAX_CORES: usize = 1024;

settings! {
    /// A front node's settings. Whatever is left out has the default.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FrontSettings {
        /// Where to listen: an address and a port; port 0 takes any free one.
        // Only this machine, until the operator decides who else may call.
        pub listen: String = "127.0.0.1:50051".to_owned(),
        /// How many cores serve, each with a thread of its own. 0: all the machine has.
        pub cores: usize,
        /// Most calls joined to one run of the store: 1 to 256.
        pub max_batch: usize = MAX_BATCH,
        /// Calls that one core works on at once; calls beyond are refused with UNAVAILABLE: 1 to 1,000,000.
        // At four thousand calls a core is a hundred milliseconds behind: buyers are better served elsewhere.
        pub max_in_flight: usize = 4000,
        /// How long a call may wait for its turn at the store before it is refused with UNAVAILABLE: 1 ms to 5 min. Stalls that are
        /// shorter are ridden out; a longer queue helps nobody.
        #[serde(with = "humantime_serde")]
        // Longer than a store pauses when all is well, shorter than a buyer's patience.
        pub max_queue_wait: Duration = Duration::from_millis(500),
        /// The largest request in bytes: 8 KiB to 4 MiB.
        // Room for a BatchPollStatus of 256 of the longest tickets, several times over.
        pub max_request_size: usize = 256 * 1024,
        /// The largest response in bytes: 64 KiB to 64 MiB.
        // Room for a page of 500 dead letters with the largest payloads.
        pub max_response_size: usize = 4 * 1024 * 1024,
        /// How long a call that brings no deadline of its own may take: 10 ms to 5 min.
        #[serde(with = "humantime_serde")]
        pub default_deadline: Duration = Duration::from_secs(5),
        /// How long a node may refuse buyers from memory before it asks the store again: 1 ms to 1 s.
        #[serde(with = "humantime_serde")]
        pub gate_lifetime: Duration = Duration::from_millis(100),
        /// Limits of connections.
        pub http2: Http2Settings,
        /// Limits of `WatchStatus`.
        pub watch: WatchSettings,
        /// How the node leaves.
        pub drain: DrainSettings,
        /// Certificates; none: no TLS.
        pub tls: ServerTlsSettings,
    }
}

settings! {
    /// Limits of connections.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Http2Settings {
        /// Calls that one connection may have open at once: 1 to 1,000,000.
        // Room for thousands of watches. Fewer would bound what waits in buffers of an overloaded node, and make a client
        // that watches many tickets wait for its own calls.
        pub max_concurrent_streams: u32 = 4096,
        /// How often a connection is asked whether it is still there: 1 s to 1 h.
        #[serde(with = "humantime_serde")]
        pub keepalive_interval: Duration = Duration::from_secs(30),
        /// How long it may take to answer that before it is closed: 1 s to 5 min.
        #[serde(with = "humantime_serde")]
        pub keepalive_timeout: Duration = Duration::from_secs(10),
        /// After this time a client is asked to connect anew, so that it finds nodes that came later: 1 s to 24 h.
        #[serde(with = "humantime_serde")]
        pub max_connection_age: Duration = Duration::from_secs(30 * 60),
        /// The largest headers in bytes: 1 KiB to 1 MiB.
        pub max_header_list_size: u32 = 16 * 1024,
        /// Calls that a client may cancel before the node has looked at them; a connection with more is closed: 1 to 10,000.
        pub max_pending_resets: usize = 64,
        /// Calls on one connection that may end in a protocol error before it is closed: 1 to 100,000.
        pub max_error_resets: usize = 1024,
    }
}

settings! {
    /// Limits of `WatchStatus`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct WatchSettings {
        /// Watches that one core keeps at once; more are refused with UNAVAILABLE: 1 to 10,000,000.
        pub max_watches: usize = 50_000,
        /// The shortest time between two looks at a ticket: 10 ms to 1 min.
        #[serde(with = "humantime_serde")]
        pub min_interval: Duration = Duration::from_millis(200),
        /// The longest time between two looks at a ticket: from `min_interval` to 5 min.
        #[serde(with = "humantime_serde")]
        pub max_interval: Duration = Duration::from_secs(5),
    }
}

settings! {
    /// How a node leaves.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DrainSettings {
        /// How long the node goes on serving after it has said that it is leaving, so that load balancers can notice: up
        /// to 10 min.
        #[serde(with = "humantime_serde")]
        pub grace: Duration = Duration::from_secs(5),
        /// How long calls and streams may then take to end before they are cut off: 10 ms to 10 min.
        #[serde(with = "humantime_serde")]
        pub timeout: Duration = Duration::from_secs(10),
    }
}

/// A setting that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("front.{key} is {value}, and must be {rule}")]
pub struct InvalidSetting {
    key: &'static str,
    value: String,
    rule: String,
}

impl FrontSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// The first setting that is out of range, with the range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        let seconds = Duration::from_secs;
        let millis = Duration::from_millis;
        number("cores", self.cores, 0..=MAX_CORES)?;
        number("max_batch", self.max_batch, 1..=MAX_BATCH)?;
        number("max_in_flight", self.max_in_flight, 1..=1_000_000)?;
        time("max_queue_wait", self.max_queue_wait, millis(1)..=seconds(300))?;
        number("max_request_size", self.max_request_size, 8 * KIB..=4 * MIB)?;
        number("max_response_size", self.max_response_size, 64 * KIB..=64 * MIB)?;
        time("default_deadline", self.default_deadline, millis(10)..=seconds(300))?;
        time("gate_lifetime", self.gate_lifetime, millis(1)..=seconds(1))?;
        let http2 = &self.http2;
        number("http2.max_concurrent_streams", http2.max_concurrent_streams, 1..=1_000_000)?;
        time("http2.keepalive_interval", http2.keepalive_interval, seconds(1)..=seconds(3600))?;
        time("http2.keepalive_timeout", http2.keepalive_timeout, seconds(1)..=seconds(300))?;
        time("http2.max_connection_age", http2.max_connection_age, seconds(1)..=seconds(24 * 3600))?;
        number("http2.max_header_list_size", http2.max_header_list_size, 1024..=1024 * 1024)?;
        number("http2.max_pending_resets", http2.max_pending_resets, 1..=10_000)?;
        number("http2.max_error_resets", http2.max_error_resets, 1..=100_000)?;
        let watch = &self.watch;
        number("watch.max_watches", watch.max_watches, 1..=10_000_000)?;
        time("watch.min_interval", watch.min_interval, millis(10)..=seconds(60))?;
        time("watch.max_interval", watch.max_interval, watch.min_interval..=seconds(300))?;
        time("drain.grace", self.drain.grace, Duration::ZERO..=seconds(600))?;
        time("drain.timeout", self.drain.timeout, millis(10)..=seconds(600))
    }

    /// One listener for each core, all on the same port. `setting` names the address's setting in an error.
    ///
    /// # Errors
    /// If the address is none, or this process cannot have it.
    pub fn bind(&self, setting: &str) -> Result<Vec<TcpListener>, ListenError> {
        let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        bind_many(&self.listen, setting, NonZeroUsize::new(self.cores).unwrap_or(all))
    }
}

fn number<T: PartialOrd + Display + Copy>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), InvalidSetting> {
    check(key, &value, &range, T::to_string)
}

fn time(key: &'static str, value: Duration, range: RangeInclusive<Duration>) -> Result<(), InvalidSetting> {
    check(key, &value, &range, |time| format!("{time:?}"))
}

fn check<T: PartialOrd>(
    key: &'static str,
    value: &T,
    range: &RangeInclusive<T>,
    text: impl Fn(&T) -> String,
) -> Result<(), InvalidSetting> {
    if range.contains(value) {
        return Ok(());
    }
    let rule = format!("{} to {}", text(range.start()), text(range.end()));
    Err(InvalidSetting { key, value: text(value), rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(FrontSettings::default().validate(), Ok(()));
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_its_range() {
        let said = |change: fn(&mut FrontSettings)| {
            let mut settings = FrontSettings::default();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert_eq!(said(|s| s.max_batch = 257), "front.max_batch is 257, and must be 1 to 256");
        assert_eq!(
            said(|s| s.gate_lifetime = Duration::ZERO),
            "front.gate_lifetime is 0ns, and must be 1ms to 1s"
        );
        assert!(said(|s| s.max_in_flight = 0).contains("front.max_in_flight"));
        assert!(said(|s| s.http2.max_concurrent_streams = 0).contains("front.http2.max_concurrent_streams"));
        assert!(said(|s| s.watch.max_interval = Duration::from_millis(1)).contains("must be 200ms to 300s"));
        assert!(said(|s| s.drain.timeout = Duration::ZERO).contains("front.drain.timeout"));
    }
}
