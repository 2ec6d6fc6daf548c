//! Admin HTTP of a process: one address, or none.

use std::{net::SocketAddr, time::Duration};

use inrush_runtime::{admin::Admin, config::Loaded, listen};
use tokio::net::TcpListener;

use super::services::Services;
use crate::settings::{AdminSettings, Settings};

/// The admin server finishes requests in progress by itself.
const DRAIN: Duration = Duration::from_secs(2);

/// Where a front, or everything in one process, is watched unless an address was chosen: by this machine only, until the
/// operator decides who else may look.
pub(super) const FRONT: &str = "127.0.0.1:9090";

/// Where fulfilment is watched.
pub(super) const FULFILMENT: &str = "127.0.0.1:9091";

/// Where the order system is watched.
pub(super) const ORDERS: &str = "127.0.0.1:9092";

/// Listens, unless admin HTTP is off.
///
/// # Errors
/// If the address is none or taken.
pub(super) fn bind(settings: &Loaded<Settings>, default: &str) -> anyhow::Result<Option<TcpListener>> {
    let address = settings.value.admin.listen.as_deref().unwrap_or(default);
    if address == AdminSettings::OFF {
        return Ok(None);
    }
    let setting = settings.how_to_set("admin.listen");
    Ok(Some(TcpListener::from_std(listen::bind(address, &setting)?)?))
}

/// Serves `/livez` and `/readyz`, and stops last: a process that drains is still watched. Tells the address.
///
/// # Errors
/// If the listener has none.
pub(super) fn serve(
    listener: Option<TcpListener>,
    services: &mut Services,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listener) = listener else { return Ok(None) };
    let address = listener.local_addr()?;
    let admin = Admin::new(services.readiness().clone());
    services.add("admin", DRAIN, move |stop| async move {
        admin.run(listener, stop).await;
        anyhow::Ok(())
    });
    Ok(Some(address))
}
