//! `inrush front`: a front in its own process.

use std::{net::TcpListener, sync::Arc, time::Duration};

use anyhow::Context as _;
use inrush_core::{Keyring, Store};
use inrush_front::{FrontParts, FrontSettings};
use inrush_runtime::config::Loaded;
use inrush_telemetry::{Metrics, Telemetry, Traces};

use super::{
    admin, keys,
    services::Services,
    startup_banner::{StartupBanner, url},
    store,
};
use crate::{cli::service::OutputFlags, error, output::Output, settings::Settings};

/// Serves until shutdown.
///
/// # Errors
/// If the settings are invalid, or a service fails.
pub(crate) async fn run(
    output: OutputFlags,
    settings: &Loaded<Settings>,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    store::require_shared(settings, "front")?;
    let keyring = keys::required(&settings.value.tickets)?;
    check(&settings.value.front)?;
    let listeners = bind(settings)?;
    let address = address(&settings.value.front, &listeners)?;
    let admin = admin::bind(settings, admin::FRONT)?;
    let metrics = telemetry.metrics();
    let traces = telemetry.traces();
    let store = store::open_observed(&settings.value.store, metrics, traces).await?;
    let mut services = Services::on_signals()?;
    add(
        &mut services,
        settings.value.front.clone(),
        store,
        keyring,
        listeners,
        metrics.clone(),
        traces.cloned(),
    );
    let admin = admin::serve(admin, &mut services, telemetry, &inrush_front::SERVICES)?;
    Output::new(output.json).show(&StartupBanner {
        title: "The front is up.",
        front: Some(address),
        admin: admin.map(|address| url(false, address)),
        ..StartupBanner::default()
    })?;
    services.run().await
}

/// Checks the front's settings.
///
/// # Errors
/// If one is out of range, or a certificate cannot be used.
pub(super) fn check(settings: &FrontSettings) -> anyhow::Result<()> {
    settings.validate().map_err(error::invalid_setting)?;
    settings.tls.load("front.tls")?;
    Ok(())
}

/// Binds the front's address.
///
/// # Errors
/// If it cannot be bound.
pub(super) fn bind(settings: &Loaded<Settings>) -> anyhow::Result<Vec<TcpListener>> {
    Ok(settings.value.front.bind(&settings.how_to_set("front.listen"))?)
}

/// The URL that callers use.
///
/// # Errors
/// If there is no listener.
pub(super) fn address(settings: &FrontSettings, listeners: &[TcpListener]) -> anyhow::Result<String> {
    let first = listeners.first().context("the front has no listener")?;
    Ok(url(settings.tls.cert_file.is_some(), first.local_addr()?))
}

/// Starts a front.
pub(super) fn add(
    services: &mut Services,
    settings: FrontSettings,
    store: Arc<dyn Store>,
    keyring: Keyring,
    listeners: Vec<TcpListener>,
    metrics: Metrics,
    traces: Option<Traces>,
) {
    let drain: Duration = settings.drain.grace + settings.drain.timeout;
    let shutdown = services.shutdown().clone();
    let readiness = services.readiness().clone();
    let parts = FrontParts { settings, store, keyring, readiness, metrics, traces };
    // It uses the shutdown of the process directly: no service stops before it.
    services.add(
        "front",
        drain,
        move |_| async move { inrush_front::run(parts, listeners, &shutdown).await },
    );
}
