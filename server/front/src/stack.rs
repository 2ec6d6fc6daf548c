//! The layers that every call passes on its way in, in order. They are in `layer/`.

use std::{convert::Infallible, fmt::Display, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tonic::{Status, codegen::StdError};
use tower::{Service, ServiceBuilder, service_fn};

use crate::{
    call::Call,
    layer::{
        Authentication, CallTelemetry, CheckLayer, DeadlineLayer, ErrorResponseLayer, GrpcOnly,
        LoadShedLayer, RateLimit, TelemetryLayer,
    },
    metrics::CoreMetrics,
    rpc::router::Router,
    settings::FrontSettings,
    spans::Spans,
};

/// The layers of one core, around its services. Its connections have clones of it, which share everything.
pub(crate) fn stack<B>(
    settings: &FrontSettings,
    metrics: CoreMetrics,
    spans: Spans,
    router: Router,
) -> impl Service<
    Call<B>,
    Response = Response<impl Body<Data = Bytes, Error = Status> + Send + 'static>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static
where
    B: Body<Data = Bytes, Error: Into<StdError> + Display> + Send + Unpin + 'static,
{
    let (telemetry, router) = (CallTelemetry::new(metrics, spans), Arc::new(router));
    ServiceBuilder::new()
        // Errors of everything below become responses; that of an overloaded node is prebuilt.
        .layer(ErrorResponseLayer)
        // Load shed: beyond `front.max_in_flight` a call is refused before anything is spent on it. Health checks pass.
        .layer(LoadShedLayer::new(settings.max_in_flight, Arc::clone(&telemetry)))
        // Trace: the span of a call that its caller or the sampler has chosen.
        // Metrics: duration by method and status. A dropped future counts as a client that disconnected.
        .layer(TelemetryLayer(telemetry))
        // gRPC only: POST with a content type of gRPC's. Web pages cannot send that without a preflight.
        .layer(CheckLayer(GrpcOnly))
        // Deadline: the caller's `grpc-timeout`, or else the node's.
        .layer(DeadlineLayer::new(settings.default_deadline))
        // Authentication: sets the caller. For now every call passes as anonymous.
        .layer(CheckLayer(Authentication))
        // Rate limit of the caller. For now there is none.
        .layer(CheckLayer(RateLimit))
        // Routing: hot calls through the thin codec, all others to tonic's services.
        .service(service_fn(move |call: Call<B>| Arc::clone(&router).answer(call)))
}
