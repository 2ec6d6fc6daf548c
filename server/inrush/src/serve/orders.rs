//! `inrush orders`: the bundled order system in its own process.

use std::time::Duration;

use inrush_orders::{OrderSettings, OrderSystem};
use inrush_runtime::{config::Loaded, listen};
use inrush_telemetry::{Metrics, Telemetry};
use tokio::net::TcpListener;

use super::{
    admin,
    services::Services,
    startup_banner::{StartupBanner, url},
};
use crate::{cli::service::OutputFlags, error, output::Output, settings::Settings};

/// Maximum time to answer the accepted entries.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until shutdown.
///
/// # Errors
/// If the settings are invalid, or a service fails.
pub(crate) async fn run(
    output: OutputFlags,
    settings: &Loaded<Settings>,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    check(&settings.value.orders)?;
    let listener = bind(settings)?;
    let address = url(false, listener.local_addr()?);
    let admin = admin::bind(settings, admin::ORDERS)?;
    let system = open(settings.value.orders.clone()).await?;
    let mut services = Services::on_signals()?;
    let system = system.with_traces(telemetry.traces().cloned()).with_readiness(services.readiness());
    add(&mut services, system, listener, telemetry.metrics());
    let admin = admin::serve(admin, &mut services, telemetry, &inrush_orders::SERVICES)?;
    Output::new(output.json).show(&StartupBanner {
        title: "The order system is up.",
        orders: Some(address),
        admin: admin.map(|address| url(false, address)),
        ..StartupBanner::default()
    })?;
    services.run().await
}

/// Checks the order system's settings.
///
/// # Errors
/// If one is out of range.
pub(super) fn check(settings: &OrderSettings) -> anyhow::Result<()> {
    settings.validate().map_err(|error| error::invalid_setting(format!("orders.{error:#}")))
}

/// Binds the order system's address.
///
/// # Errors
/// If it cannot be bound.
pub(super) fn bind(settings: &Loaded<Settings>) -> anyhow::Result<TcpListener> {
    let setting = settings.how_to_set("orders.listen");
    Ok(TcpListener::from_std(listen::bind(&settings.value.orders.listen, &setting)?)?)
}

/// Opens the order system and its database.
///
/// # Errors
/// If the database cannot be opened. The message has the error and its root cause.
pub(super) async fn open(settings: OrderSettings) -> anyhow::Result<OrderSystem> {
    OrderSystem::open(settings).await.map_err(|error| {
        let wrong = format!("{error}: {}", error.root_cause());
        error::failure(
            wrong,
            "check that it can be reached, or set another with --database or `orders.database`",
        )
    })
}

/// Starts the order system.
pub(super) fn add(services: &mut Services, system: OrderSystem, listener: TcpListener, metrics: &Metrics) {
    inrush_orders::register_metrics(metrics, &system.statistics());
    services.add("orders", DRAIN, move |stop| system.serve(listener, stop));
}
