//! All services in this process, for the demo.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use anyhow::Context as _;
use inrush_core::{Keyring, Store};
use inrush_front::FrontSettings;
use inrush_fulfilment::FulfilmentSettings;
use inrush_orders::{OrderSettings, OrderStore, OrderSystem};
use inrush_runtime::shutdown::Shutdown;
use inrush_telemetry::Metrics;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{front, fulfilment, orders, services::Services, startup_banner::url};

/// A free port on loopback.
const ANY_PORT: &str = "127.0.0.1:0";

/// Running services.
pub(crate) struct Embedded {
    front_url: String,
    order_store: OrderStore,
    shutdown: Shutdown,
    services: JoinHandle<anyhow::Result<()>>,
}

impl Embedded {
    /// Starts a front, fulfilment and an order system on `store`, connected through real sockets.
    ///
    /// # Errors
    /// If one of them cannot be started.
    pub(crate) async fn start(store: Arc<dyn Store>, orders: OrderSettings) -> anyhow::Result<Self> {
        let mut front = FrontSettings { listen: ANY_PORT.to_owned(), ..FrontSettings::default() };
        // No load balancer has to see the drain.
        front.drain.grace = Duration::ZERO;
        // The buyers run in this process and need the other cores.
        front.cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
        let front_listeners = front.bind("front.listen")?;
        let front_url = front::address(&front, &front_listeners)?;
        let orders_listener =
            TcpListener::bind(ANY_PORT).await.context("no free port for the order system")?;
        let fulfilment = FulfilmentSettings {
            orders: vec![url(false, orders_listener.local_addr()?)],
            ..FulfilmentSettings::default()
        };
        let system = OrderSystem::open(OrderSettings { front: Some(front_url.parse()?), ..orders }).await?;
        let order_store = system.order_store();

        let mut services = Services::on_signals()?;
        let shutdown = services.shutdown().clone();
        // Not exported: the demo measures for itself.
        let metrics = Metrics::default();
        let keyring = Keyring::ephemeral()?;
        front::add(&mut services, front, Arc::clone(&store), keyring, front_listeners, metrics.clone(), None);
        fulfilment::add(&mut services, fulfilment, store, metrics.clone(), None);
        orders::add(&mut services, system, orders_listener, &metrics);
        Ok(Self { front_url, order_store, shutdown, services: tokio::spawn(services.run()) })
    }

    /// The URL of the front.
    pub(crate) fn front_url(&self) -> &str {
        &self.front_url
    }

    /// The order database.
    pub(crate) const fn order_store(&self) -> &OrderStore {
        &self.order_store
    }

    /// Waits for a signal, or until a service fails.
    pub(crate) async fn ending(&self) {
        self.shutdown.started().await;
    }

    /// Stops the services in order.
    ///
    /// # Errors
    /// The first service that failed or did not stop.
    pub(crate) async fn stop(self, reason: &str) -> anyhow::Result<()> {
        self.shutdown.start(reason);
        self.services.await.context("the services failed")?
    }
}
