//! What the cores of a node share.

use std::sync::Arc;

use inrush_core::{Keyring, Store};
use inrush_runtime::tls::ServerTls;
use inrush_telemetry::Traces;

use crate::{metrics::NodeMetrics, queue::gate::Gates, service::health::Health, settings::FrontSettings};

/// What the cores of a node share.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) settings: FrontSettings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) health: Health,
    pub(crate) metrics: NodeMetrics,
    pub(crate) traces: Option<Traces>,
}
