//! `inrush up`: all services in one process.

use std::time::Duration;

use inrush_runtime::config::{Loaded, Origin};
use inrush_telemetry::Telemetry;

use super::{
    admin, front, fulfilment,
    keys::{self, Keys},
    orders,
    services::Services,
    startup_banner::{StartupBanner, url},
    store,
};
use crate::{
    cli::service::OutputFlags,
    error,
    output::Output,
    settings::{MEMORY_URL, Settings},
};

/// Serves until shutdown.
///
/// # Errors
/// If the settings are invalid, or a service fails.
pub(crate) async fn run(
    output: OutputFlags,
    settings: &Loaded<Settings>,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    let mut own = embedded(settings)?;
    let Keys { keyring, ephemeral } = keys::provided_or_new(&own.tickets)?;
    front::check(&own.front)?;
    fulfilment::check(&own.fulfilment)?;
    orders::check(&own.orders)?;

    let front_listeners = front::bind(settings)?;
    let front_url = front::address(&own.front, &front_listeners)?;
    let bundled_orders = if has_own_orders(settings) { None } else { Some(orders::bind(settings)?) };
    let admin = admin::bind(settings, admin::FRONT)?;
    if let Some(listener) = &bundled_orders {
        own.fulfilment.orders = vec![url(false, listener.local_addr()?)];
        own.orders.front = Some(front_url.parse()?);
    }
    let metrics = telemetry.metrics();
    let traces = telemetry.traces();
    let store = store::open_observed(&own.store, metrics, traces).await?;
    let bundled_orders = match bundled_orders {
        Some(listener) => Some((orders::open(own.orders.clone()).await?, listener)),
        None => None,
    };

    let mut services = Services::on_signals()?;
    front::add(
        &mut services,
        own.front.clone(),
        store.clone(),
        keyring,
        front_listeners,
        metrics.clone(),
        traces.cloned(),
    );
    fulfilment::add(&mut services, own.fulfilment.clone(), store, metrics.clone(), traces.cloned());
    let orders_are_bundled = bundled_orders.is_some();
    if let Some((system, listener)) = bundled_orders {
        orders::add(&mut services, system.with_traces(traces.cloned()), listener, metrics);
    }
    let admin = admin::serve(admin, &mut services, telemetry, &served(orders_are_bundled))?;
    Output::new(output.json).show(&StartupBanner {
        title: "Inrush is up.",
        notes: notes(&own, &front_url, ephemeral, orders_are_bundled),
        front: Some(front_url),
        orders: Some(own.fulfilment.orders.join(",")),
        admin: admin.map(|address| url(false, address)),
    })?;
    services.run().await
}

/// Whether an order system is configured, in any layer.
fn has_own_orders(settings: &Loaded<Settings>) -> bool {
    settings.origin("fulfilment.orders").is_some_and(|origin| *origin != Origin::Default)
}

/// The gRPC services of this process.
fn served(orders_are_bundled: bool) -> Vec<&'static str> {
    let orders: &[&str] = if orders_are_bundled { &inrush_orders::SERVICES } else { &[] };
    [&inrush_front::SERVICES, orders].concat()
}

/// The settings with the changes for a single process.
fn embedded(settings: &Loaded<Settings>) -> anyhow::Result<Settings> {
    let mut own = settings.value.clone();
    if own.front.tls.cert_file.is_some() {
        return Err(error::usage(
            "`inrush up` serves without TLS, but front.tls is set",
            "run `inrush front`, `inrush fulfilment` and `inrush orders` instead",
        ));
    }
    if settings.origin("front.drain.grace") == Some(&Origin::Default) {
        // No load balancer has to see the drain.
        own.front.drain.grace = Duration::ZERO;
    }
    Ok(own)
}

fn notes(settings: &Settings, front_url: &str, ephemeral_key: bool, orders_are_bundled: bool) -> Vec<String> {
    let mut lost = Vec::new();
    let mut keep = Vec::new();
    if settings.store.url.expose() == MEMORY_URL {
        lost.push("the queue");
        keep.push("--store redis://127.0.0.1");
    }
    if orders_are_bundled && settings.orders.database.is_memory() {
        lost.push("orders");
        keep.push("--database sqlite:orders.db");
    }
    if ephemeral_key {
        lost.push("the key that signs tickets");
        keep.push("--ticket-keys-file FILE (made by `inrush ticket new-key`)");
    }
    let mut notes = Vec::new();
    if !lost.is_empty() {
        notes.push(format!("\nIn memory, and lost when this process ends: {}.", lost.join(", ")));
        notes.push(format!("To keep it, set {}", keep.join(" ")));
    }
    let server = if front_url == settings.server { String::new() } else { format!(" --server {front_url}") };
    notes.push("\nNow type in another terminal:".to_owned());
    notes.push(format!("  inrush sale create phone-x --stock 2000{server}"));
    notes.push(format!("  inrush ticket enqueue phone-x buyer-1 --watch{server}"));
    notes
}
