//! The settings of a front node.

use std::{fmt::Display, net::TcpListener, num::NonZeroUsize, ops::RangeInclusive, time::Duration};

use inrush_core::store::MAX_BATCH;
use inrush_runtime::{
    listen::{ListenError, bind_many},
    settings,
    tls::ServerTlsSettings,
};

/// The maximum of `front.cores`; a higher number is a typing error.
const MAX_CORES: usize = 1024;

settings! {
    /// The settings of a front node.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FrontSettings {
        /// Address to listen on, `HOST:PORT`; port 0 takes a free port.
        // Loopback only: callers are not authenticated.
        pub listen: String = "127.0.0.1:50051".to_owned(),
        /// Number of serving threads, one per core: 0 to 1024. 0: all cores of the machine.
        pub cores: usize,
        /// Maximum number of calls that are joined to one operation of the store: 1 to 256.
        pub max_batch: usize = MAX_BATCH,
        /// In-flight limit of one core: further calls are shed with UNAVAILABLE: 1 to 1,000,000.
        // With four thousand calls in flight a core is a hundred milliseconds behind: another node answers sooner.
        pub max_in_flight: usize = 4000,
        /// Maximum time that a call waits for the store before it is shed with UNAVAILABLE: 1 ms to 5 min. Calls
        /// survive shorter stalls of the store.
        #[serde(with = "humantime_serde")]
        // Longer than the usual stalls of a store, shorter than the deadline of a call.
        pub max_queue_wait: Duration = Duration::from_millis(500),
        /// Maximum size of a request in bytes: 8 KiB to 4 MiB.
        // Room for a BatchPollStatus of 256 of the longest tickets, several times over.
        pub max_request_size: usize = 256 * 1024,
        /// Maximum size of a response in bytes: 64 KiB to 64 MiB.
        // Room for a page of 500 dead letters with the largest payloads.
        pub max_response_size: usize = 4 * 1024 * 1024,
        /// Deadline of a call without `grpc-timeout`: 10 ms to 5 min.
        #[serde(with = "humantime_serde")]
        pub default_deadline: Duration = Duration::from_secs(5),
        /// How long a node refuses buyers from its cached state of a sale before it reads the store again: 1 ms
        /// to 1 s.
        #[serde(with = "humantime_serde")]
        pub gate_lifetime: Duration = Duration::from_millis(100),
        /// Limits of connections.
        pub http2: Http2Settings,
        /// Limits of `WatchStatus`.
        pub watch: WatchSettings,
        /// Draining at shutdown.
        pub drain: DrainSettings,
        /// Certificates; without them TLS is disabled.
        pub tls: ServerTlsSettings,
    }
}

settings! {
    /// Limits of connections.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Http2Settings {
        /// Maximum number of concurrent calls on one connection: 1 to 1,000,000.
        // Room for thousands of watches. A lower limit would bound the buffers of an overloaded node, but a
        // client that watches many tickets would wait for its own calls.
        pub max_concurrent_streams: u32 = 4096,
        /// Time between two keepalive pings on a connection: 1 s to 1 h.
        #[serde(with = "humantime_serde")]
        pub keepalive_interval: Duration = Duration::from_secs(30),
        /// How long a client may take to answer a ping before its connection is closed: 1 s to 5 min.
        #[serde(with = "humantime_serde")]
        pub keepalive_timeout: Duration = Duration::from_secs(10),
        /// Age at which a connection gets GOAWAY, so that clients reconnect and find new nodes: 1 s to 24 h.
        #[serde(with = "humantime_serde")]
        pub max_connection_age: Duration = Duration::from_secs(30 * 60),
        /// Maximum size of the headers of a call in bytes: 1 KiB to 1 MiB.
        pub max_header_list_size: u32 = 16 * 1024,
        /// Maximum number of calls on one connection that were reset before the node accepted them; with more the
        /// connection is closed: 1 to 10,000.
        pub max_pending_resets: usize = 64,
        /// Maximum number of calls on one connection that end in a protocol error; with more the connection is
        /// closed: 1 to 100,000.
        pub max_error_resets: usize = 1024,
    }
}

settings! {
    /// Limits of `WatchStatus`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct WatchSettings {
        /// Maximum number of open watches of one core; further ones are shed with UNAVAILABLE: 1 to 10,000,000.
        pub max_watches: usize = 50_000,
        /// Minimum time between two reads of a watched ticket: 10 ms to 1 min.
        #[serde(with = "humantime_serde")]
        pub min_interval: Duration = Duration::from_millis(200),
        /// Maximum time between two reads of a watched ticket: `min_interval` to 5 min.
        #[serde(with = "humantime_serde")]
        pub max_interval: Duration = Duration::from_secs(5),
    }
}

settings! {
    /// Draining at shutdown.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DrainSettings {
        /// How long the node keeps serving after it reports NOT_SERVING, so that load balancers stop sending
        /// calls: 0 to 10 min.
        #[serde(with = "humantime_serde")]
        pub grace: Duration = Duration::from_secs(5),
        /// How long calls and streams may take to end after that before they are aborted: 10 ms to 10 min.
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
    /// If the address is invalid, or cannot be bound.
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
        let message = |change: fn(&mut FrontSettings)| {
            let mut settings = FrontSettings::default();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert_eq!(message(|s| s.max_batch = 257), "front.max_batch is 257, and must be 1 to 256");
        assert_eq!(
            message(|s| s.gate_lifetime = Duration::ZERO),
            "front.gate_lifetime is 0ns, and must be 1ms to 1s"
        );
        assert!(message(|s| s.max_in_flight = 0).contains("front.max_in_flight"));
        assert!(
            message(|s| s.http2.max_concurrent_streams = 0).contains("front.http2.max_concurrent_streams")
        );
        assert!(
            message(|s| s.watch.max_interval = Duration::from_millis(1)).contains("must be 200ms to 300s")
        );
        assert!(message(|s| s.drain.timeout = Duration::ZERO).contains("front.drain.timeout"));
    }
}
