//! `inrush fulfilment`: fulfilment in its own process.

use std::{sync::Arc, time::Duration};

use inrush_core::Store;
use inrush_fulfilment::{FulfilmentError, FulfilmentSettings, Parts, Statistics};
use inrush_runtime::{config::Loaded, shutdown::Shutdown};
use inrush_telemetry::{Metrics, Telemetry, Traces};
use tokio_util::sync::CancellationToken;

use super::{
    admin,
    services::Services,
    startup_banner::{StartupBanner, url},
    store,
};
use crate::{cli::service::OutputFlags, error, output::Output, settings::Settings};

/// Maximum time that fulfilment needs, beyond its drain timeout, to end its calls of the store, requeue entries
/// and settle the last outcomes.
const DRAIN: Duration = Duration::from_secs(18);

/// Serves until shutdown.
///
/// # Errors
/// If the settings are invalid, or a service fails.
pub(crate) async fn run(
    output: OutputFlags,
    settings: &Loaded<Settings>,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    store::require_shared(settings, "fulfilment")?;
    check(&settings.value.fulfilment)?;
    let admin = admin::bind(settings, admin::FULFILMENT)?;
    let metrics = telemetry.metrics();
    let traces = telemetry.traces();
    let store = store::open_observed(&settings.value.store, metrics, traces).await?;
    let mut services = Services::on_signals()?;
    add(
        &mut services,
        settings.value.fulfilment.clone(),
        Arc::clone(&store),
        metrics.clone(),
        traces.cloned(),
    );
    store::probe(&mut services, store);
    let admin = admin::serve(admin, &mut services, telemetry, &[])?;
    Output::new(output.json).show(&StartupBanner {
        title: "Fulfilment is up.",
        admin: admin.map(|address| url(false, address)),
        ..StartupBanner::default()
    })?;
    services.run().await
}

/// Checks fulfilment's settings.
///
/// # Errors
/// If one is out of range.
pub(super) fn check(settings: &FulfilmentSettings) -> anyhow::Result<()> {
    settings.validate().map_err(error::invalid_setting)
}

/// Starts fulfilment.
pub(super) fn add(
    services: &mut Services,
    settings: FulfilmentSettings,
    store: Arc<dyn Store>,
    metrics: Metrics,
    traces: Option<Traces>,
) {
    let drain = settings.drain_timeout + DRAIN;
    let parts = Parts { settings, store, statistics: Statistics::default(), metrics, traces };
    services.add("fulfilment", drain, move |stop| serve(parts, stop));
}

/// Drains when `stop` is cancelled, not at the start of the shutdown: services that stop earlier still add work.
async fn serve(parts: Parts, stop: CancellationToken) -> Result<(), FulfilmentError> {
    let turn = Shutdown::new();
    let worker = inrush_fulfilment::run(parts, turn.clone());
    let stopped = async {
        stop.cancelled().await;
        turn.start("the services before fulfilment have stopped");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = worker => outcome,
        () = stopped => Ok(()),
    }
}
