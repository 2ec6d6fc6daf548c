//! The health of this node, for `grpc.health.v1` and the readiness of the process.
//!
//! The node is NOT_SERVING until the store has answered, while it does not answer, and from the start of a drain. While
//! the store only refuses to write (it is full, for example), the node goes on: buyers in the queue can be answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use inrush_core::{Store, StoreError};
use inrush_proto::v1::{queue_service_server, sale_admin_service_server, settlement_service_server};
use inrush_runtime::readiness::ReadinessCheck;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// How often the store is checked: a node that loses its store stops getting calls about this soon.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A store that takes longer to answer a check counts as unavailable.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The services of a front whose health can be checked by name.
pub const SERVICES: [&str; 3] = [
    queue_service_server::SERVICE_NAME,
    sale_admin_service_server::SERVICE_NAME,
    settlement_service_server::SERVICE_NAME,
];

/// The name of the node as a whole.
const NODE: &str = "";

/// Every name that can be checked.
fn names() -> impl Iterator<Item = &'static str> {
    [NODE].into_iter().chain(SERVICES)
}

/// Checks that the store answers in time and is suitable.
pub(crate) async fn check(store: &dyn Store) -> Result<(), StoreError> {
    let silent = || StoreError::Unavailable(format!("no answer within {CHECK_TIMEOUT:?}"));
    tokio::time::timeout(CHECK_TIMEOUT, store.check()).await.unwrap_or_else(|_elapsed| Err(silent()))
}

/// The health of a node. Clones share it.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    draining: Arc<AtomicBool>,
}

impl Health {
    /// NOT_SERVING.
    pub(crate) async fn new() -> Self {
        let health = Self { reporter: HealthReporter::new(), draining: Arc::default() };
        health.report(ServingStatus::NotServing).await;
        health
    }

    /// The health service.
    pub(crate) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Checks the store periodically and reports. Runs until it is dropped.
    pub(crate) async fn monitor(&self, store: &dyn Store, readiness: &ReadinessCheck) {
        let mut was_available = None;
        loop {
            let checked = check(store).await;
            let is_available = matches!(checked, Ok(()) | Err(StoreError::RefusesWrites(..)));
            if was_available != Some(is_available) {
                // Why a store fails is logged once for all of its operations, by what observes it.
                match &checked {
                    Err(error) if !is_available => {
                        tracing::info!(%error, "store unavailable; not serving until it answers");
                    }
                    _ => tracing::info!("store available; serving"),
                }
                was_available = Some(is_available);
            }
            match checked {
                Ok(()) => readiness.ready(),
                Err(error) if is_available => readiness.degraded(&error.to_string()),
                Err(error) => readiness.missing(&error.to_string()),
            }
            // Checked last, and again after reporting: a drain that starts in between takes precedence.
            let is_serving = is_available && !self.draining.load(Ordering::SeqCst);
            self.report(if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            if is_serving && self.draining.load(Ordering::SeqCst) {
                self.report(ServingStatus::NotServing).await;
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// NOT_SERVING from now on.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.report(ServingStatus::NotServing).await;
    }

    /// Ends all health watches, which would otherwise keep their connections open.
    pub(crate) async fn end_watches(&self) {
        let mut reporter = self.reporter.clone();
        for name in names() {
            reporter.clear_service_status(name).await;
        }
    }

    async fn report(&self, status: ServingStatus) {
        for name in names() {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
