//! The store that the settings name.

use std::{fs, sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{Store, StoreError, time::Clock};
use inrush_runtime::config::{Loaded, Origin};
use inrush_store::{
    memory::MemoryStore,
    redis::{RedisSettings, RedisStore},
};

use tokio::time::{MissedTickBehavior, interval};

use super::services::Services;
use crate::{
    error,
    settings::{MEMORY_URL, Settings, StoreSettings},
};

/// How often a process asks whether its store is there. Orchestrators look every few seconds.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// Opens the store and makes sure that it is fit for use, if it answers. One that does not answer yet is waited for by
/// whoever serves on it.
///
/// # Errors
/// If the URL cannot be read, or the store must not be used as it is set up.
pub(crate) async fn open(settings: &StoreSettings) -> anyhow::Result<Arc<dyn Store>> {
    if settings.url.expose() == MEMORY_URL {
        tracing::warn!(
            "the line is kept in memory: it is gone when this process ends, and no other process can see it"
        );
        return Ok(MemoryStore::new(Clock::Store));
    }
    let store = RedisStore::connect(redis_settings(settings)?).await.map_err(unsuitable)?;
    match store.check().await {
        Ok(()) => tracing::info!(url = %settings.url, "the store answers"),
        Err(StoreError::Unavailable(reason)) => {
            tracing::warn!(url = %settings.url, "the store does not answer yet, and is asked again and again: {reason}");
        }
        Err(error) => return Err(unsuitable(error)),
    }
    Ok(store)
}

/// Makes sure that a process which is useless without others does not sit alone on a store in its own memory, unless
/// that was asked for.
///
/// # Errors
/// If no store was chosen.
pub(super) fn require_shared(settings: &Loaded<Settings>, service: &str) -> anyhow::Result<()> {
    if settings.origin("store.url") == Some(&Origin::Default) {
        return Err(error::usage(
            format!("`inrush {service}` needs a store that other processes can reach"),
            "give --store redis://HOST; `inrush up` runs everything in one process, on memory",
        ));
    }
    Ok(())
}

/// Tells the process's readiness whether the store answers, for services that do not tell it themselves.
pub(super) fn probe(services: &mut Services, store: Arc<dyn Store>) {
    let check = services.readiness().require("store", "not asked yet");
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
    if let Some(path) = &settings.ca_file {
        let authority = fs::read(path).map_err(|error| {
            error::usage(
                format!("`store.ca_file` names {}, which cannot be read: {error}", path.display()),
                "name a PEM file with the authorities' certificates",
            )
        })?;
        redis.authority = Some(authority);
    }
    Ok(redis)
}

fn unsuitable(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unsuitable(_) => error::usage(error, "the store is chosen with --store or `store.url`"),
        StoreError::SaleNotFound(_) | StoreError::Unavailable(_) | StoreError::Corrupt(_) => error.into(),
    }
}
