//! Checks the database regularly, for the readiness of the process.

use std::time::Duration;

use inrush_runtime::readiness::ReadinessCheck;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::order_store::OrderStore;

const INTERVAL: Duration = Duration::from_secs(1);
/// A database that takes longer does not serve orders either.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The name of the check.
pub(crate) const NAME: &str = "order_database";

/// Runs until shutdown.
pub(crate) async fn run(store: OrderStore, check: ReadinessCheck, shutdown: CancellationToken) {
    let mut available = true;
    loop {
        let failure = match tokio::time::timeout(TIMEOUT, store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {}", humantime::format_duration(TIMEOUT))),
        };
        if let Some(reason) = &failure {
            check.missing(&format!("{reason}; entries are answered with retry until it is back"));
        } else {
            check.ready();
        }
        if available != failure.is_none() {
            available = failure.is_none();
            if let Some(reason) = failure {
                warn!(reason, "order database is unavailable; entries are answered with retry");
            } else {
                info!("order database is available again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
