//! The services of one core, and the way of a call to its own.

use std::sync::Arc;

use h2::RecvStream;
use http::{HeaderName, Request};
use inrush_core::Store;
use inrush_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, queue_service_server::QueueServiceServer, sale_admin_service_server::SaleAdminServiceServer,
        settlement_service_server::SettlementServiceServer,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use crate::{
    call::{Answer, CallMeta, Incoming, encode, read_message},
    call_error::CallError,
    metrics::CoreMetrics,
    normalize_status::normalize_status,
    queue::batcher::{BatchLimits, Batcher},
    queue::operations::{AdmitOp, CancelOp, LookUpOp, ReleaseOp},
    router::{Router, route},
    rpc::method::Method,
    run::FrontError,
    server::Node,
    service::queue_service::QueueService,
    service::sale_admin_service::SaleAdminService,
    service::settlement_service::SettlementService,
    service::watch::Watches,
};

/// The call that is answered for as long as a ticket waits.
const WATCH: &str = "/inrush.v1.QueueService/WatchStatus";

/// What tells that the messages of a call may be compressed.
static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The services of one core.
pub(crate) struct Services {
    queue: Arc<QueueService>,
    max_request_size: usize,
    router: Router,
}

/// A call, as it is served.
pub(crate) enum Call {
    /// One of those that a rush consists of, and its message to come. They go without tonic's machinery for streams of
    /// messages, which costs more than all else that they need of a core.
    Direct(Direct, RecvStream),
    /// Anything else, and whatever is unusual: tonic knows best what to do with it.
    Other(Box<Request<Body>>),
}

impl Call {
    /// Whether its answer goes on for as long as its ticket does.
    pub(crate) fn is_watch(&self) -> bool {
        matches!(self, Self::Other(request) if request.uri().path() == WATCH)
    }
}

/// The calls that a rush consists of.
#[derive(Clone, Copy)]
pub(crate) enum Direct {
    Enqueue,
    PollStatus,
    Cancel,
}

impl Direct {
    fn of(method: Method, request: &Request<RecvStream>) -> Option<Self> {
        let direct = match method {
            Method::ENQUEUE => Self::Enqueue,
            Method::POLL_STATUS => Self::PollStatus,
            Method::CANCEL => Self::Cancel,
            _ => return None,
        };
        (!request.headers().contains_key(&ENCODING)).then_some(direct)
    }
}

impl Services {
    /// The services of a core of `node` that keeps its sales in `store` and counts with `metrics`. Watches end when `leaving` is
    /// cancelled.
    ///
    /// # Errors
    /// If the published descriptors do not fit together.
    pub(crate) fn new(
        node: &Node,
        store: Arc<dyn Store>,
        metrics: &CoreMetrics,
        leaving: CancellationToken,
    ) -> Result<Self, FrontError> {
        let queue = Arc::new(queue_service(node, &store, metrics, leaving));
        let router = router(node, Arc::clone(&queue), store, metrics)?;
        Ok(Self { queue, max_request_size: node.settings.max_request_size, router })
    }

    /// What kind of call it is.
    pub(crate) fn sort(method: Method, request: Request<RecvStream>, arrival: CallMeta) -> Call {
        if let Some(call) = Direct::of(method, &request) {
            return Call::Direct(call, request.into_body());
        }
        let mut request = request.map(|stream| Body::new(Incoming::new(stream)));
        request.extensions_mut().insert(arrival);
        Call::Other(Box::new(request))
    }

    /// Answers a call.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn serve(&self, call: Call, arrival: CallMeta) -> Result<Answer, CallError> {
        match call {
            Call::Direct(call, stream) => {
                self.serve_directly(call, stream, arrival).await.map(Answer::Message)
            }
            Call::Other(request) => {
                let response = Box::pin(self.router.call(*request)).await;
                Ok(Answer::Other(Box::new(normalize_status(response))))
            }
        }
    }

    async fn serve_directly(
        &self,
        call: Direct,
        stream: RecvStream,
        arrival: CallMeta,
    ) -> Result<bytes::Bytes, CallError> {
        let (queue, limit) = (&self.queue, self.max_request_size);
        Ok(match call {
            Direct::Enqueue => encode(&queue.enqueue(read_message(stream, limit).await?, arrival).await?),
            Direct::PollStatus => {
                encode(&queue.poll_status(&read_message(stream, limit).await?, arrival).await?)
            }
            Direct::Cancel => encode(&queue.cancel(&read_message(stream, limit).await?, arrival).await?),
        })
    }
}

fn queue_service(
    node: &Node,
    store: &Arc<dyn Store>,
    metrics: &CoreMetrics,
    leaving: CancellationToken,
) -> QueueService {
    let Node { settings, keyring, gates, .. } = node.clone();
    let CoreMetrics { counts, sales, calls: _ } = metrics;
    let limits = BatchLimits { max_batch: settings.batch_limit, max_wait: settings.max_wait };
    let admit = AdmitOp { store: Arc::clone(store), gates: Arc::clone(&gates), counts: Arc::clone(sales) };
    QueueService {
        keyring,
        gates: Arc::clone(&gates),
        counts: Arc::clone(sales),
        traces: node.traces.clone(),
        admissions: Batcher::new(admit, limits, Arc::clone(counts)),
        look_ups: Batcher::new(LookUpOp { store: Arc::clone(store) }, limits, Arc::clone(counts)),
        cancellations: Batcher::new(CancelOp { store: Arc::clone(store), gates }, limits, Arc::clone(counts)),
        watches: Watches::new(settings.watch, settings.default_deadline, leaving, Arc::clone(counts)),
    }
}

fn router(
    node: &Node,
    queue: Arc<QueueService>,
    store: Arc<dyn Store>,
    metrics: &CoreMetrics,
) -> Result<Router, FrontError> {
    let Node { settings, gates, .. } = node.clone();
    let limits = BatchLimits { max_batch: settings.batch_limit, max_wait: settings.max_wait };
    let give_back = ReleaseOp { store: Arc::clone(&store), gates: Arc::clone(&gates) };
    let settlement =
        SettlementService { releases: Batcher::new(give_back, limits, Arc::clone(&metrics.counts)) };
    let admin = SaleAdminService { store, gates };
    let (request, response) = (settings.max_request_size, settings.max_response_size);
    let queue = QueueServiceServer::from_arc(queue);
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
