//! Checks a server's version and configuration, the rights of this user, and which durability it provides.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use inrush_core::store::{Durability, StoreError};
use parking_lot::Mutex;
use redis::{FromRedisValue, Value, cmd};

use super::{
    keys::{ADMISSION_CHANNEL, WORK_CHANNEL},
    pool::ConnectionPool,
    user_rules::USER_RULES,
};

/// The first major version with everything that the scripts use: flags, `ZRANGE … BYSCORE`, `BITCOUNT … BIT`.
const MIN_MAJOR_VERSION: u32 = 7;

/// How long the durability of the servers is cached: an operator may change it while they run.
const DURABILITY_TTL: Duration = Duration::from_secs(5);

/// May write, and does not: Redis refuses it for the same reasons as any script that writes.
const MAY_WRITE: &str = "#!lua\nreturn 1";

/// Lists the rights that the user of a connection lacks.
const RIGHTS: &str = include_str!("lua/rights.lua");

/// A key that no sale has, named as all keys are.
const EXAMPLE_KEY: &str = "inrush:{}:sale";

/// Checks that every master is reachable, its version and configuration, and that the user has all rights: a right
/// that is missing must not show in the middle of a script. Last, that it takes writes.
///
/// # Errors
/// [`StoreError::Unsuitable`] or [`StoreError::AccessDenied`] with what to change, [`StoreError::RefusesWrites`] with
/// the cause.
pub(super) async fn check(pool: &ConnectionPool, in_cluster: bool) -> Result<(), StoreError> {
    let answers = pool.query_masters(&cmd("INFO")).await.map_err(|error| error.error)?;
    answers.into_iter().try_for_each(|answer| check_server(&text_of(answer)?, in_cluster))?;
    let query =
        cmd("EVAL").arg(RIGHTS).arg(0).arg(EXAMPLE_KEY).arg(WORK_CHANNEL).arg(ADMISSION_CHANNEL).take();
    let answers = pool.query_masters(&query).await.map_err(|error| error.error)?;
    answers.into_iter().try_for_each(|answer| check_rights(&answer))?;
    pool.query_masters(cmd("EVAL").arg(MAY_WRITE).arg(0)).await.map_err(|error| error.error)?;
    Ok(())
}

fn check_rights(missing: &Value) -> Result<(), StoreError> {
    let missing = Vec::<String>::from_redis_value_ref(missing).map_err(|error| {
        StoreError::Corrupt(format!("the list of missing rights cannot be read: {error}"))
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::AccessDenied(format!(
        "the user of Redis lacks rights: {}. Grant what Inrush needs: `ACL SETUSER NAME {USER_RULES}`",
        missing.join(", ")
    )))
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
            "its eviction policy is {policy}, so it would evict tickets when its memory is full: run `redis-cli \
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
            "this Redis is a replica: set its master in the Redis URL, or wait for the failover".to_owned(),
        ));
    }
    Ok(())
}

fn unsuitable(what: &str) -> StoreError {
    StoreError::Unsuitable(format!("Redis does not meet the requirements: {what}"))
}

pub(super) fn text_of(value: Value) -> Result<String, StoreError> {
    String::from_redis_value(value)
        .map_err(|error| StoreError::Corrupt(format!("INFO cannot be read: {error}")))
}

/// Whether every master has a connected replica.
pub(super) async fn has_replicas(pool: &ConnectionPool) -> Result<bool, StoreError> {
    let query = cmd("INFO").arg("replication").take();
    let answers = pool.query_masters(&query).await.map_err(|error| error.error)?;
    let infos: Vec<String> = answers.into_iter().map(text_of).collect::<Result<_, _>>()?;
    Ok(infos.iter().all(|info| has_replica(info)))
}

fn has_replica(info: &str) -> bool {
    let replicas = info.lines().find_map(|line| line.trim_end().strip_prefix("connected_slaves:"));
    replicas.is_some_and(|count| count != "0")
}

/// The durability of the servers, cached for [`DURABILITY_TTL`].
#[derive(Default)]
pub(super) struct DurabilityCache {
    last: Mutex<Option<(Instant, Durability)>>,
    permission_warning_logged: AtomicBool,
}

impl DurabilityCache {
    /// The cached durability, fetched if it has expired.
    pub(super) async fn get(&self, pool: &ConnectionPool) -> Result<Durability, StoreError> {
        let last = *self.last.lock();
        match last {
            Some((at, durability)) if at.elapsed() < DURABILITY_TTL => Ok(durability),
            _ => self.fetch(pool).await,
        }
    }

    /// The durability that every master provides. A managed server that forbids `CONFIG GET` counts as
    /// [`Durability::Memory`].
    pub(super) async fn fetch(&self, pool: &ConnectionPool) -> Result<Durability, StoreError> {
        let query = cmd("CONFIG").arg("GET").arg("appendonly").arg("appendfsync").take();
        let durability = match pool.query_masters(&query).await {
            Ok(answers) if answers.iter().all(syncs_always) => Durability::Fsync,
            Ok(_) => Durability::Memory,
            Err(failure) if matches!(failure.error, StoreError::Unavailable(_)) => return Err(failure.error),
            Err(failure) => {
                if !self.permission_warning_logged.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %failure.error, "CONFIG GET is not permitted; durability is limited to memory");
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
    use crate::redis::script::ScriptSources;

    const SUITABLE: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn error(from: &str, to: &str) -> StoreError {
        check_server(&SUITABLE.replace(from, to), false).unwrap_err()
    }

    #[test]
    fn a_suitable_server_passes() {
        assert_eq!(check_server(SUITABLE, false), Ok(()));
        assert_eq!(check_server(&SUITABLE.replace("cluster_enabled:0", "cluster_enabled:1"), true), Ok(()));
    }

    #[test]
    fn an_unsuitable_server_is_an_error_with_its_remedy() {
        assert!(error("7.0.15", "6.2.14").to_string().contains("Redis 7.0"));
        assert!(
            error("noeviction", "allkeys-lru").to_string().contains("CONFIG SET maxmemory-policy noeviction")
        );
        assert!(error("cluster_enabled:0", "cluster_enabled:1").to_string().contains("redis+cluster://"));
        assert!(matches!(error("role:master", "role:slave"), StoreError::Unavailable(_)));
        assert!(matches!(check_server("", false), Err(StoreError::Unsuitable(_))));
    }

    #[test]
    fn the_check_of_rights_names_every_command_of_the_scripts() {
        for command in ScriptSources::bundled().commands() {
            assert!(RIGHTS.contains(&format!("{{ '{}'", command.to_lowercase())), "{command}");
        }
    }

    #[test]
    fn missing_rights_are_an_error_that_names_them() {
        let answer = |missing: &[&str]| {
            let missing = missing.iter().map(|&right| Value::BulkString(right.into()));
            check_rights(&Value::Array(missing.collect()))
        };
        assert_eq!(answer(&[]), Ok(()));
        let text = answer(&["+rpush", "+publish &inrush:work"]).unwrap_err().to_string();
        assert!(text.contains("+rpush, +publish &inrush:work") && text.contains(USER_RULES), "{text}");
    }

    #[test]
    fn replicas_are_counted() {
        let info = |count: u8| format!("# Replication\r\nrole:master\r\nconnected_slaves:{count}\r\n");
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
