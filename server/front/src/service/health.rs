//! Whether this node can serve, told to whoever asks by `grpc.health.v1` and to the process's own readiness.
//!
//! The node is NOT_SERVING until the store has answered, whenever it does not answer, and from the moment it drains.

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

/// How often the store is asked whether it is there: a node without a store stops getting calls about this soon.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A store that takes longer than this to say that it is there is not.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The services of a front, whose health can be asked for by name.
pub const SERVICES: [&str; 3] = [
    queue_service_server::SERVICE_NAME,
    sale_admin_service_server::SERVICE_NAME,
    settlement_service_server::SERVICE_NAME,
];

/// The name of the node as a whole.
const NODE: &str = "";

/// Whatever can be asked about.
fn names() -> impl Iterator<Item = &'static str> {
    [NODE].into_iter().chain(SERVICES)
}

/// Asks the store whether it is there and fit for use, for a bounded time.
pub(crate) async fn check(store: &dyn Store) -> Result<(), StoreError> {
    let silent = || StoreError::Unavailable(format!("no answer within {CHECK_TIMEOUT:?}"));
    tokio::time::timeout(CHECK_TIMEOUT, store.check()).await.unwrap_or_else(|_elapsed| Err(silent()))
}

/// The health of a node. Clones share it.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    drains: Arc<AtomicBool>,
}

impl Health {
    /// NOT_SERVING.
    pub(crate) async fn new() -> Self {
        let health = Self { reporter: HealthReporter::new(), drains: Arc::default() };
        health.report(ServingStatus::NotServing).await;
        health
    }

    /// The service that answers for it.
    pub(crate) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Asks the store again and again, and reports. Runs until it is dropped.
    pub(crate) async fn follow(&self, store: &dyn Store, readiness: &ReadinessCheck) {
        let mut was_there = None;
        loop {
            let checked = check(store).await;
            let is_there = checked.is_ok();
            if was_there != Some(is_there) {
                match &checked {
                    Ok(()) => tracing::info!("the store answers: serving"),
                    Err(error) => tracing::warn!("not serving until the store can be used: {error}"),
                }
                was_there = Some(is_there);
            }
            match checked {
                Ok(()) => readiness.ready(),
                Err(error) => readiness.missing(&error.to_string()),
            }
            // Asked last, and again after reporting: whoever starts to drain meanwhile has the last word.
            let is_serving = is_there && !self.drains.load(Ordering::SeqCst);
            self.report(if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            if is_serving && self.drains.load(Ordering::SeqCst) {
                self.report(ServingStatus::NotServing).await;
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// NOT_SERVING from now on.
    pub(crate) async fn drain(&self) {
        self.drains.store(true, Ordering::SeqCst);
        self.report(ServingStatus::NotServing).await;
    }

    /// Ends all watches of this health, which would otherwise keep their connections open.
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
