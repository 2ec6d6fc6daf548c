//! A front and fulfilment on a memory store, in this process.

use std::{net::TcpListener, sync::Arc, time::Duration};

use inrush_core::{Keyring, Store, time::Clock};
use inrush_front::{FrontParts, FrontSettings};
use inrush_fulfilment::{Backoff, FulfilmentSettings, Parts, Statistics};
use inrush_proto::v1::{
    CreateSaleRequest, GetSaleRequest, Ledger, Sale, sale_admin_service_client::SaleAdminServiceClient,
};
use inrush_runtime::{readiness::Readiness, shutdown::Shutdown};
use inrush_store::{
    fault_injection::{Fault, inject_fault},
    memory::MemoryStore,
};
use inrush_telemetry::Metrics;
use inrush_testkit::port::free_port;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// Everything but the order system, which is the load tool's. Stops when it is dropped.
pub(crate) struct System {
    front: String,
    orders: String,
    shutdown: Shutdown,
    runtime: Option<Runtime>,
}

impl System {
    /// Starts it, on a store that is broken if asked for.
    pub(crate) fn start(fault: Option<Fault>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let mut store: Arc<dyn Store> = MemoryStore::new(Clock::Store);
        if let Some(fault) = fault {
            store = inject_fault(store, fault);
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener of our own");
        let front = listener.local_addr().expect("it is bound").to_string();
        let orders = format!("127.0.0.1:{}", free_port());
        let shutdown = Shutdown::new();
        let mut settings = FrontSettings::default();
        settings.drain.grace = Duration::ZERO;
        let parts = FrontParts {
            settings,
            store: Arc::clone(&store),
            keyring: Keyring::ephemeral().expect("randomness"),
            readiness: Readiness::new(),
            metrics: Metrics::default(),
            traces: None,
        };
        let stop = shutdown.clone();
        runtime.spawn(async move { inrush_front::run_here(parts, listener, &stop).await });
        let reconnect = Backoff { max: Duration::from_millis(200), ..Backoff::default() };
        let settings = FulfilmentSettings {
            orders: vec![format!("http://{orders}")],
            drain_timeout: Duration::ZERO,
            reconnect,
            ..FulfilmentSettings::default()
        };
        let parts = Parts {
            settings,
            store,
            statistics: Statistics::default(),
            metrics: Metrics::default(),
            traces: None,
        };
        runtime.spawn(inrush_fulfilment::run(parts, shutdown.clone()));
        Self { front, orders, shutdown, runtime: Some(runtime) }
    }

    /// Creates a sale.
    pub(crate) fn create(&self, sale_id: &str, stock: u64, cap: u64) {
        let sale =
            Sale { sale_id: sale_id.to_owned(), stock: Some(stock), cap: Some(cap), ..Sale::default() };
        let request = CreateSaleRequest { sale: Some(sale) };
        self.on_runtime(async { self.admin_client().await.create_sale(request).await }).expect("a sale");
    }

    /// How a sale stands.
    pub(crate) fn ledger(&self, sale_id: &str) -> Ledger {
        let request = GetSaleRequest { sale_id: sale_id.to_owned() };
        let sale =
            self.on_runtime(async { self.admin_client().await.get_sale(request).await }).expect("a sale");
        sale.into_inner().sale.and_then(|sale| sale.ledger).expect("a ledger")
    }

    async fn admin_client(&self) -> SaleAdminServiceClient<Channel> {
        SaleAdminServiceClient::connect(format!("http://{}", self.front)).await.expect("a front")
    }

    fn on_runtime<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it runs until it is dropped").block_on(work)
    }

    /// Where buyers connect.
    pub(crate) fn front(&self) -> String {
        self.front.clone()
    }

    /// Where fulfilment looks for the order system.
    pub(crate) fn orders(&self) -> String {
        self.orders.clone()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.shutdown.start("the test is over");
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
