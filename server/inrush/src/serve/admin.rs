//! Admin HTTP of a process.

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

/// The default address of `inrush front` and `inrush up`: loopback only.
pub(super) const FRONT: &str = "127.0.0.1:9090";

/// The default address of `inrush fulfilment`.
pub(super) const FULFILMENT: &str = "127.0.0.1:9091";

/// The default address of `inrush orders`.
pub(super) const ORDERS: &str = "127.0.0.1:9092";

/// Admin HTTP that is bound and does not serve yet.
pub(super) struct Bound {
    listener: TcpListener,
    token: Option<Secret>,
    configuration: String,
}

/// Binds the address, unless admin HTTP is off.
///
/// # Errors
/// If the address is invalid or taken, or the token cannot be read.
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

/// Serves admin HTTP and returns its address. It stops last, so that a draining process can still be probed.
/// `names` are the gRPC services that have their own health status.
///
/// # Errors
/// If the listener has no address.
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
