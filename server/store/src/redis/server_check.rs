//! Whether a server is fit for Inrush, and how well it keeps what it is told.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use inrush_core::store::{Durability, StoreError};
use parking_lot::Mutex;
use redis::{FromRedisValue, Value, cmd};

use super::connection::Connection;

/// The oldest major version with all that the scripts use: flags, `ZRANGE … BYSCORE`, `BITCOUNT … BIT`.
const MIN_MAJOR_VERSION: u32 = 7;

/// For so long an answer about durability is believed: an operator may change it while the server runs.
const DURABILITY_TTL: Duration = Duration::from_secs(5);

/// Asks every master whether it is there and fit for use.
///
/// # Errors
/// [`StoreError::Unsuitable`] says what to change.
pub(super) async fn check(connection: &Connection, in_cluster: bool) -> Result<(), StoreError> {
    let answers = connection.query_masters(&cmd("INFO")).await.map_err(|failure| failure.error)?;
    answers.into_iter().try_for_each(|answer| check_server(&text_of(answer)?, in_cluster))
}

fn check_server(info: &str, in_cluster: bool) -> Result<(), StoreError> {
    let fields: HashMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or("unknown");
    let version = field("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < MIN_MAJOR_VERSION) {
        return Err(unsuitable(&format!("it is version {version}: use Redis 7.0 or later, or Valkey")));
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        return Err(unsuitable(&format!(
            "its eviction policy is {policy}, so that it would forget tickets when its memory is full: run `redis-cli \
             CONFIG SET maxmemory-policy noeviction` and put `maxmemory-policy noeviction` into redis.conf"
        )));
    }
    if !in_cluster && field("cluster_enabled") == "1" {
        return Err(unsuitable(
            "it is a node of a Redis Cluster: write redis+cluster:// instead of redis:// in the Redis URL",
        ));
    }
    if field("role") != "master" {
        return Err(StoreError::Unavailable(
            "this Redis is a replica: name its master in the Redis URL, or wait for the failover".to_owned(),
        ));
    }
    Ok(())
}

fn unsuitable(what: &str) -> StoreError {
    StoreError::Unsuitable(format!("this Redis does not fit: {what}"))
}

fn text_of(value: Value) -> Result<String, StoreError> {
    String::from_redis_value(value)
        .map_err(|error| StoreError::Corrupt(format!("INFO cannot be read: {error}")))
}

/// Asks every master whether a replica follows it.
pub(super) async fn has_replicas(connection: &Connection) -> Result<bool, StoreError> {
    let question = cmd("INFO").arg("replication").take();
    let answers = connection.query_masters(&question).await.map_err(|failure| failure.error)?;
    let infos: Vec<String> = answers.into_iter().map(text_of).collect::<Result<_, _>>()?;
    Ok(infos.iter().all(|info| has_replica(info)))
}

fn has_replica(info: &str) -> bool {
    let replicas = info.lines().find_map(|line| line.trim_end().strip_prefix("connected_slaves:"));
    replicas.is_some_and(|number| number != "0")
}

/// How well the servers keep what they are told, asked now and then.
#[derive(Default)]
pub(super) struct DurabilityCache {
    last: Mutex<Option<(Instant, Durability)>>,
    forbidden_was_logged: AtomicBool,
}

impl DurabilityCache {
    /// What was last heard, if that is not long ago; else asks.
    pub(super) async fn recent(&self, connection: &Connection) -> Result<Durability, StoreError> {
        let last = *self.last.lock();
        match last {
            Some((at, durability)) if at.elapsed() < DURABILITY_TTL => Ok(durability),
            _ => self.ask(connection).await,
        }
    }

    /// Asks every master. Managed servers that forbid the question are taken for the worst.
    pub(super) async fn ask(&self, connection: &Connection) -> Result<Durability, StoreError> {
        let question = cmd("CONFIG").arg("GET").arg("appendonly").arg("appendfsync").take();
        let durability = match connection.query_masters(&question).await {
            Ok(answers) if answers.iter().all(syncs_always) => Durability::Fsync,
            Ok(_) => Durability::Memory,
            Err(failure) if matches!(failure.error, StoreError::Unavailable(_)) => return Err(failure.error),
            Err(failure) => {
                if !self.forbidden_was_logged.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %failure.error, "Redis does not tell its durability; only memory is promised");
                }
                Durability::Memory
            }
        };
        *self.last.lock() = Some((Instant::now(), durability));
        Ok(durability)
    }
}

fn syncs_always(answer: &Value) -> bool {
    let settings = HashMap::<String, String>::from_redis_value_ref(answer).unwrap_or_default();
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|set| set == value);
    is("appendonly", "yes") && is("appendfsync", "always")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn error(from: &str, to: &str) -> StoreError {
        check_server(&FIT.replace(from, to), false).unwrap_err()
    }

    #[test]
    fn a_fit_server_passes() {
        assert_eq!(check_server(FIT, false), Ok(()));
        assert_eq!(check_server(&FIT.replace("cluster_enabled:0", "cluster_enabled:1"), true), Ok(()));
    }

    #[test]
    fn what_is_wrong_comes_with_its_remedy() {
        assert!(error("7.0.15", "6.2.14").to_string().contains("Redis 7.0"));
        assert!(
            error("noeviction", "allkeys-lru").to_string().contains("CONFIG SET maxmemory-policy noeviction")
        );
        assert!(error("cluster_enabled:0", "cluster_enabled:1").to_string().contains("redis+cluster://"));
        assert!(matches!(error("role:master", "role:slave"), StoreError::Unavailable(_)));
        assert!(matches!(check_server("", false), Err(StoreError::Unsuitable(_))));
    }

    #[test]
    fn replicas_are_counted() {
        let info = |number: u8| format!("# Replication\r\nrole:master\r\nconnected_slaves:{number}\r\n");
        assert!(has_replica(&info(1)) && has_replica(&info(2)));
        assert!(!has_replica(&info(0)) && !has_replica(""));
    }

    #[test]
    fn only_both_settings_together_sync_always() {
        let answer = |only: &str, sync: &str| {
            let words = ["appendonly", only, "appendfsync", sync];
            syncs_always(&Value::Array(words.map(|word| Value::BulkString(word.into())).to_vec()))
        };
        assert!(answer("yes", "always"));
        assert!(!answer("yes", "everysec") && !answer("no", "always"));
        assert!(!syncs_always(&Value::Nil));
    }
}
