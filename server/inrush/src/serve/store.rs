//! The store that the settings name.

use std::{fs, sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{Store, StoreError, time::Clock};
use inrush_runtime::config::{Loaded, Origin};
use inrush_store::{
    memory::MemoryStore,
    redis::{RedisSettings, RedisStore},
};
use inrush_telemetry::{Metrics, Traces};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    services::Services, store_failures::logged, store_memory, store_metrics::measured, store_spans::traced,
};
use crate::{
    error,
    settings::{MEMORY_URL, Settings, StoreSettings},
};

/// Time between two checks of the store. Orchestrators read the readiness every few seconds.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// A change waits for so many replicas at most.
const MAX_REPLICAS: u32 = 64;

/// New buyers wait for so long after a loss at most.
const MAX_RESTORE_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Opens the store and checks that it is suitable. A store that does not answer yet is not an error: the services
/// retry.
///
/// # Errors
/// If the URL is invalid, or the store is unsuitable.
pub(crate) async fn open(settings: &StoreSettings) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match open_redis(settings).await? {
        Some(redis) => redis,
        None => MemoryStore::new(Clock::Store),
    })
}

/// Opens the store as [`open`] does, with its metrics, its spans, and the log of its failures.
///
/// # Errors
/// As [`open`].
pub(super) async fn open_observed(
    settings: &StoreSettings,
    metrics: &Metrics,
    traces: Option<&Traces>,
) -> anyhow::Result<Arc<dyn Store>> {
    let store: Arc<dyn Store> = match open_redis(settings).await? {
        Some(redis) => {
            store_memory::watch(&redis, metrics);
            redis
        }
        None => MemoryStore::new(Clock::Store),
    };
    Ok(traced(measured(logged(store), metrics), traces))
}

/// `None` if the store is in memory.
async fn open_redis(settings: &StoreSettings) -> anyhow::Result<Option<Arc<RedisStore>>> {
    if settings.url.expose() == MEMORY_URL {
        tracing::warn!(
            "the queue is in memory: it is lost when this process ends, and other processes cannot use it"
        );
        return Ok(None);
    }
    let store = RedisStore::connect(redis_settings(settings)?).await.map_err(unsuitable)?;
    match store.check().await {
        Ok(()) => tracing::info!(url = %settings.url, "store connected"),
        Err(error) if error.may_pass() => {
            tracing::warn!(url = %settings.url, %error, "store unavailable; retrying");
        }
        Err(error) => return Err(unsuitable(error)),
    }
    Ok(Some(store))
}

/// Requires a configured store: a front or fulfilment alone on a store in memory is useless.
///
/// # Errors
/// If no store is set.
pub(super) fn require_shared(settings: &Loaded<Settings>, service: &str) -> anyhow::Result<()> {
    if settings.origin("store.url") == Some(&Origin::Default) {
        return Err(error::usage(
            format!("`inrush {service}` needs a store that other processes can reach"),
            "set --store redis://HOST, or run everything in one process with `inrush up`",
        ));
    }
    Ok(())
}

/// Checks the store at intervals and reports it to the readiness, for services that do not do so themselves.
pub(super) fn probe(services: &mut Services, store: Arc<dyn Store>) {
    let check = services.readiness().require("store", "not checked yet");
    services.add("store probe", Duration::ZERO, move |stop| async move {
        let mut times = interval(PROBE_INTERVAL);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = times.tick() => {}
                () = stop.cancelled() => return anyhow::Ok(()),
            }
            match store.check().await {
                Ok(()) => check.ready(),
                Err(error @ StoreError::RefusesWrites(..)) => check.degraded(&error.to_string()),
                Err(error) => check.missing(&error.to_string()),
            }
        }
    });
}

fn redis_settings(settings: &StoreSettings) -> anyhow::Result<RedisSettings> {
    let mut redis = RedisSettings::new(settings.url.expose());
    redis.connect_timeout = settings.connect_timeout;
    redis.response_timeout = settings.response_timeout;
    redis.replication_timeout = settings.replication_timeout;
    redis.replicas = replicas(settings.replicas)?;
    redis.restore_window = restore_window(settings.restore_window)?;
    if let Some(path) = &settings.ca_file {
        let authority = fs::read(path).map_err(|error| {
            error::usage(
                format!("`store.ca_file` names {}, which cannot be read: {error}", path.display()),
                "set it to a PEM file with the CAs",
            )
        })?;
        redis.authority = Some(authority);
    }
    Ok(redis)
}

/// # Errors
/// If there are more than [`MAX_REPLICAS`].
fn replicas(replicas: u32) -> anyhow::Result<u32> {
    if replicas > MAX_REPLICAS {
        return Err(error::usage(
            format!("`store.replicas` is {replicas}; the most is {MAX_REPLICAS}"),
            "set it to the number of replicas, or to 0 for all that could be promoted",
        ));
    }
    Ok(replicas)
}

/// # Errors
/// If it is longer than [`MAX_RESTORE_WINDOW`].
fn restore_window(window: Duration) -> anyhow::Result<Duration> {
    if window > MAX_RESTORE_WINDOW {
        return Err(error::usage(
            "`store.restore_window` is longer than 5 min, and new buyers wait for so long after a loss",
            "set it to 0 to 5 min",
        ));
    }
    Ok(window)
}

fn unsuitable(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unsuitable(_) => error::usage(
            error,
            "set another store with --store or `store.url`, such as redis://HOST; `memory:` is the one in memory",
        ),
        StoreError::AccessDenied(_) => error::usage(
            error,
            "then start again; user and password are in the URL of --store or `store.url`",
        ),
        StoreError::SaleNotFound(_)
        | StoreError::Unavailable(_)
        | StoreError::RefusesWrites(..)
        | StoreError::Corrupt(_) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_gets_the_time_to_restore_of_the_settings() {
        let settings = StoreSettings { restore_window: Duration::from_secs(77), ..Settings::default().store };
        assert_eq!(redis_settings(&settings).unwrap().restore_window, Duration::from_secs(77));
    }

    #[test]
    fn the_advice_about_a_user_without_rights_is_not_another_store() {
        let denied = StoreError::AccessDenied("grant +publish".to_owned());
        let text = format!("{:?}", unsuitable(denied));
        assert!(text.contains("grant +publish") && text.contains("start again"), "{text}");
        assert!(!text.contains("another store"), "{text}");
    }

    #[test]
    fn the_number_of_replicas_is_bounded() {
        let settings = StoreSettings { replicas: MAX_REPLICAS, ..Settings::default().store };
        assert_eq!(redis_settings(&settings).unwrap().replicas, MAX_REPLICAS);
        let error = replicas(MAX_REPLICAS + 1).unwrap_err();
        assert!(error.to_string().contains("store.replicas"), "{error}");
    }

    #[test]
    fn the_time_to_restore_is_bounded() {
        assert_eq!(restore_window(MAX_RESTORE_WINDOW).ok(), Some(MAX_RESTORE_WINDOW));
        let error = restore_window(MAX_RESTORE_WINDOW + Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains("store.restore_window"), "{error}");
    }
}
