//! One core: its own store connections, batchers, services and server, from the first connection to the last.

use std::{net::TcpListener, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use inrush_core::{Keyring, Store, StoreError};
use inrush_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, queue_service_server::QueueServiceServer, sale_admin_service_server::SaleAdminServiceServer,
        settlement_service_server::SettlementServiceServer,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, ServerTlsConfig, server::TcpIncoming};

use crate::{
    CallCounts,
    batcher::Batcher,
    gate::Gates,
    health::Health,
    layers::layers,
    operations::{Admit, Cancel, GiveBack, LookUp},
    queue_service::QueueService,
    router::{Router, route},
    run::FrontError,
    sale_admin_service::SaleAdminService,
    settings::FrontSettings,
    settlement_service::SettlementService,
    watch::Watches,
};

/// How long a core waits before it asks an absent store again, and before it accepts again when it could not.
const PAUSE: Duration = Duration::from_millis(100);

/// What the cores of a node share.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) settings: FrontSettings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) tls: Option<ServerTlsConfig>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) health: Health,
    pub(crate) counts: CallCounts,
}

/// Serves until `stop` is cancelled, and drains: NOT_SERVING at once, answering for the grace time, then GOAWAY to
/// every connection and a bounded time for calls and streams to end.
pub(crate) async fn serve(
    node: Node,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), FrontError> {
    let Some(store) = connect(&*node.store, &stop).await? else { return Ok(()) };
    let leaving = CancellationToken::new();
    let router = router(&node, store, leaving.clone())?;
    let incoming =
        TcpIncoming::from(tokio::net::TcpListener::from_std(listener).map_err(FrontError::Listener)?)
            .with_nodelay(Some(true))
            .then(|accepted| async {
                // Out of file descriptors, most likely: trying again at once would only burn the core.
                if accepted.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
                accepted
            });
    let layers = layers(node.counts.clone(), node.settings.default_deadline, node.settings.max_in_flight);
    let served = server(&node)?.layer(layers).serve_with_incoming_shutdown(
        router,
        incoming,
        drain(&node, &stop, &leaving),
    );
    tokio::select! {
        served = served => served.map_err(FrontError::Serve),
        () = overdue(&leaving, node.settings.drain.finish) => {
            tracing::warn!("some calls or streams did not end in time and are cut off");
            Ok(())
        }
    }
}

/// Connections of this core's own. None: the process ended before the store was there.
async fn connect(store: &dyn Store, stop: &CancellationToken) -> Result<Option<Arc<dyn Store>>, FrontError> {
    loop {
        match store.dedicated().await {
            Ok(store) => return Ok(Some(store)),
            Err(StoreError::Unavailable(reason)) => tracing::debug!("waiting for the store: {reason}"),
            Err(error) => return Err(FrontError::Store(error)),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

fn router(node: &Node, store: Arc<dyn Store>, leaving: CancellationToken) -> Result<Router, FrontError> {
    let Node { settings, keyring, gates, .. } = node.clone();
    let limit = settings.batch_limit;
    let queue = QueueService {
        keyring,
        gates: Arc::clone(&gates),
        admissions: Batcher::new(Admit { store: Arc::clone(&store), gates: Arc::clone(&gates) }, limit),
        look_ups: Batcher::new(LookUp { store: Arc::clone(&store) }, limit),
        cancellations: Batcher::new(Cancel { store: Arc::clone(&store), gates: Arc::clone(&gates) }, limit),
        watches: Watches::new(settings.watch.clone(), settings.default_deadline, leaving),
    };
    let give_back = GiveBack { store: Arc::clone(&store), gates: Arc::clone(&gates) };
    let settlement = SettlementService { releases: Batcher::new(give_back, limit) };
    let admin = SaleAdminService { store, gates };
    let (request, response) = (settings.max_request_size, settings.max_response_size);
    let queue = QueueServiceServer::new(queue);
    let settlement = SettlementServiceServer::new(settlement);
    let admin = SaleAdminServiceServer::new(admin);
    Ok(Router::new([
        route(queue.max_decoding_message_size(request).max_encoding_message_size(response)),
        route(settlement.max_decoding_message_size(request).max_encoding_message_size(response)),
        route(admin.max_decoding_message_size(request).max_encoding_message_size(response)),
        route(node.health.service()),
        route(reflection().build_v1().map_err(FrontError::Reflection)?),
        route(reflection().build_v1alpha().map_err(FrontError::Reflection)?),
    ]))
}

/// Lists what is served here, in either version; the descriptors also know the order system's service, which is not.
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

fn server(node: &Node) -> Result<Server, FrontError> {
    let http2 = &node.settings.http2;
    let server = Server::builder()
        .max_concurrent_streams(http2.max_concurrent_streams)
        .http2_keepalive_interval(Some(http2.keepalive_interval))
        .http2_keepalive_timeout(Some(http2.keepalive_timeout))
        // Without tonic's grace: with it, a connection is never told to go but cut off in the midst of its calls.
        .max_connection_age(http2.max_connection_age)
        .http2_max_header_list_size(http2.max_header_list_size)
        // Against rapid resets: a client that opens calls only to cancel them is cut off.
        .http2_max_pending_accept_reset_streams(Some(http2.max_pending_resets))
        .http2_max_local_error_reset_streams(Some(http2.max_error_resets));
    match &node.tls {
        Some(tls) => server.tls_config(tls.clone()).map_err(FrontError::Serve),
        None => Ok(server),
    }
}

/// Ends when connections are to be told to go.
async fn drain(node: &Node, stop: &CancellationToken, leaving: &CancellationToken) {
    stop.cancelled().await;
    node.health.drain().await;
    tokio::time::sleep(node.settings.drain.grace).await;
    node.health.end_watches().await;
    leaving.cancel();
}

async fn overdue(leaving: &CancellationToken, finish: Duration) {
    leaving.cancelled().await;
    tokio::time::sleep(finish).await;
}
