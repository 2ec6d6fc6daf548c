//! Admin HTTP of a process: one address, or none.

use std::{net::SocketAddr, time::Duration};

use inrush_runtime::{
    admin::{Admin, AdminSettings},
    config::Loaded,
    listen,
    secret::Secret,
};
use inrush_telemetry::Telemetry;
use tokio::net::TcpListener;

use super::services::Services;
use crate::{VERSION, settings::Settings};

/// The admin server finishes requests in progress by itself.
const DRAIN: Duration = Duration::from_secs(2);

/// Where a front, or everything in one process, is watched unless an address was chosen: by this machine only, until the
/// operator decides who else may look.
pub(super) const FRONT: &str = "127.0.0.1:9090";

/// Where fulfilment is watched.
pub(super) const FULFILMENT: &str = "127.0.0.1:9091";

/// Where the order system is watched.
pub(super) const ORDERS: &str = "127.0.0.1:9092";

/// Admin HTTP that listens and does not serve yet.
pub(super) struct Bound {
    listener: TcpListener,
    token: Option<Secret>,
    configuration: String,
}

/// Listens, unless admin HTTP is off.
///
/// # Errors
/// If the address is none or taken, or the token is not to be had.
pub(super) fn bind(settings: &Loaded<Settings>, default: &str) -> anyhow::Result<Option<Bound>> {
    let admin = &settings.value.admin;
    let token = admin.token()?;
    let address = admin.listen.as_deref().unwrap_or(default);
    if address == AdminSettings::OFF {
        return Ok(None);
    }
    let setting = settings.how_to_set("admin.listen");
    let listener = TcpListener::from_std(listen::bind(address, &setting)?)?;
    Ok(Some(Bound { listener, token, configuration: settings.to_toml() }))
}

/// Serves what operators and orchestrators ask for, and stops last: a process that drains is still watched. `names` are
/// those of the gRPC services whose health can be asked for by name. Tells the address.
///
/// # Errors
/// If the listener has none.
pub(super) fn serve(
    bound: Option<Bound>,
    services: &mut Services,
    telemetry: &Telemetry,
    names: &[&'static str],
) -> anyhow::Result<Option<SocketAddr>> {
    telemetry.metrics().register_process_metrics(VERSION, services.readiness());
    let Some(Bound { listener, token, configuration }) = bound else { return Ok(None) };
    let address = listener.local_addr()?;
    let admin = Admin::new(services.readiness().clone(), names)
        .with_configuration(configuration)
        .with(inrush_telemetry::pages(telemetry.metrics().clone(), telemetry.log_level().clone(), token));
    services.add("admin", DRAIN, move |stop| async move {
        admin.run(listener, stop).await;
        anyhow::Ok(())
    });
    Ok(Some(address))
}
