//! The settings of the Redis store.

use std::{fmt, time::Duration};

use inrush_core::{epochs::RESTORE_WINDOW, time::Clock};

use super::script::ScriptSources;

/// How long a command may take. Every script is bounded to a few milliseconds; a rewrite of the append-only file or a
/// slow disk under `appendfsync always` can delay all commands by a second. Callers wait a few seconds at most.
pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long connecting may take, name resolution and TLS included.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an admission waits for a replica. A replica nearby acknowledges within a few milliseconds; without one, every
/// batch of a replicated sale takes this long.
pub const DEFAULT_REPLICATION_TIMEOUT: Duration = Duration::from_millis(200);

/// How many connections a handle lends at once: batches that wait for a replica, and rare commands. A batch of a busy sale
/// carries up to 256 buyers, so a few of them are more than one core makes while a replica acknowledges one.
pub const DEFAULT_MAX_POOLED_CONNECTIONS: usize = 8;

/// How to connect to Redis, and its timeouts.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://…` with TLS, or `unix:///path/to/socket`. For Redis
    /// Cluster `redis+cluster://[user:password@]host[:port],host[:port]…`, which names some of its nodes; for Redis
    /// Sentinel `redis+sentinel://[user:password@]host[:port],host[:port]…/master-name[/database]`, which names the
    /// sentinels (`rediss+cluster`, `rediss+sentinel` with TLS). Characters with a meaning in URLs are percent-encoded.
    pub url: String,
    /// How long a command may take before [`StoreError::Unavailable`](inrush_core::StoreError::Unavailable).
    pub response_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an admission waits for a replica, if the sale is replicated; at most half of `response_timeout`.
    pub replication_timeout: Duration,
    /// How many replicas must have a change of a replicated sale; 0: all that a promotion could choose from. Sentinels and
    /// clusters say which these are; a single server counts those that are online.
    pub replicas: u32,
    /// How long holders of lost tickets come before other buyers after a loss.
    pub restore_window: Duration,
    /// Upper bound on a handle's connections beside the hot path's one. Callers wait up to `response_timeout` for a free one.
    pub max_pooled_connections: usize,
    /// PEM certificates of the authority that signed the server's certificate. `None`: the public authorities.
    pub authority: Option<Vec<u8>>,
    /// Where the store takes its time from; all processes of a cluster must use the same.
    pub clock: Clock,
    /// The scripts, so that tests can prove that a mistake in them is detected.
    #[doc(hidden)]
    pub scripts: ScriptSources,
}

impl RedisSettings {
    /// The default settings for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            response_timeout: DEFAULT_RESPONSE_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            replication_timeout: DEFAULT_REPLICATION_TIMEOUT,
            replicas: 0,
            restore_window: RESTORE_WINDOW,
            max_pooled_connections: DEFAULT_MAX_POOLED_CONNECTIONS,
            authority: None,
            clock: Clock::Store,
            scripts: ScriptSources::bundled(),
        }
    }

    /// Never zero, which means endless to Redis, and short enough that a reply without a replica arrives in time.
    pub(super) fn wait_timeout(&self) -> Duration {
        self.replication_timeout.min(self.response_timeout / 2).max(Duration::from_millis(1))
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("replication_timeout", &self.replication_timeout)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let settings = RedisSettings::new("redis://:hunter2@cache:6379");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
