//! Builds the services of one core.

use std::sync::Arc;

use inrush_core::Store;
use inrush_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, queue_service_server::QueueServiceServer, sale_admin_service_server::SaleAdminServiceServer,
        settlement_service_server::SettlementServiceServer,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    error::FrontError,
    metrics::CoreMetrics,
    node::Node,
    queue::{
        admit::AdmitOp,
        batcher::{BatchLimits, Batcher},
        operations::{CancelOp, LookUpOp, ReleaseOp},
    },
    rpc::router::Router,
    service::{
        queue_service::QueueService, sale_admin_service::SaleAdminService,
        settlement_service::SettlementService, watch::Watches,
    },
};

/// The services of a core of `node`, on a store connection and metrics of its own. Watches end when `draining` is
/// cancelled.
///
/// # Errors
/// If the published descriptors do not fit together.
pub(super) fn router(
    node: &Node,
    store: Arc<dyn Store>,
    metrics: &CoreMetrics,
    draining: CancellationToken,
) -> Result<Router, FrontError> {
    let queue = Arc::new(queue_service(node, &store, metrics, draining));
    let routes = routes(node, Arc::clone(&queue), store, metrics)?;
    Ok(Router { queue, max_request_size: node.settings.max_request_size, routes })
}

fn queue_service(
    node: &Node,
    store: &Arc<dyn Store>,
    metrics: &CoreMetrics,
    draining: CancellationToken,
) -> QueueService {
    let Node { settings, keyring, gates, .. } = node.clone();
    let CoreMetrics { counts, sales, durations: _ } = metrics;
    let limits = BatchLimits { max_batch: settings.max_batch, max_queue_wait: settings.max_queue_wait };
    let admit = AdmitOp { store: Arc::clone(store), gates: Arc::clone(&gates), counts: Arc::clone(sales) };
    QueueService {
        keyring,
        gates: Arc::clone(&gates),
        counts: Arc::clone(sales),
        traces: node.traces.clone(),
        admissions: Batcher::new(admit, limits, Arc::clone(counts)),
        look_ups: Batcher::new(LookUpOp { store: Arc::clone(store) }, limits, Arc::clone(counts)),
        cancellations: Batcher::new(CancelOp { store: Arc::clone(store), gates }, limits, Arc::clone(counts)),
        watches: Watches::new(settings.watch, settings.default_deadline, draining, Arc::clone(counts)),
    }
}

/// All services as tonic serves them.
fn routes(
    node: &Node,
    queue: Arc<QueueService>,
    store: Arc<dyn Store>,
    metrics: &CoreMetrics,
) -> Result<Routes, FrontError> {
    let Node { settings, gates, .. } = node.clone();
    let limits = BatchLimits { max_batch: settings.max_batch, max_queue_wait: settings.max_queue_wait };
    let release = ReleaseOp { store: Arc::clone(&store), gates: Arc::clone(&gates) };
    let settlement =
        SettlementService { releases: Batcher::new(release, limits, Arc::clone(&metrics.counts)) };
    let admin = SaleAdminService { store, gates };
    let (request, response) = (settings.max_request_size, settings.max_response_size);
    let queue = QueueServiceServer::from_arc(queue);
    let settlement = SettlementServiceServer::new(settlement);
    let admin = SaleAdminServiceServer::new(admin);
    let routes = Routes::new(queue.max_decoding_message_size(request).max_encoding_message_size(response))
        .add_service(settlement.max_decoding_message_size(request).max_encoding_message_size(response))
        .add_service(admin.max_decoding_message_size(request).max_encoding_message_size(response))
        .add_service(node.health.service())
        .add_service(reflection().build_v1().map_err(FrontError::Reflection)?)
        .add_service(reflection().build_v1alpha().map_err(FrontError::Reflection)?);
    Ok(routes.prepare())
}

/// Reflection lists the services of the front, in both of its versions. The descriptors also contain the service of the order
/// system, which is not served here.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    use tonic_reflection::pb::{v1 as reflection_v1, v1alpha as reflection_v1alpha};
    use v1::{queue_service_server, sale_admin_service_server, settlement_service_server};
    let served = [
        queue_service_server::SERVICE_NAME,
        sale_admin_service_server::SERVICE_NAME,
        settlement_service_server::SERVICE_NAME,
        tonic_health::pb::health_server::SERVICE_NAME,
        reflection_v1::server_reflection_server::SERVICE_NAME,
        reflection_v1alpha::server_reflection_server::SERVICE_NAME,
    ];
    let builder = tonic_reflection::server::Builder::configure()
        .include_reflection_service(false)
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(reflection_v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(reflection_v1alpha::FILE_DESCRIPTOR_SET);
    served.into_iter().fold(builder, tonic_reflection::server::Builder::with_service_name)
}
