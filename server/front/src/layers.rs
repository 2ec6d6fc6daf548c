//! What every call passes on its way in, in this order.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceBuilder};

use crate::{router::Router, status::Failure};

mod cancelled;
mod deadline;
mod explain;
mod guarded;
mod load_shed;
mod trace;

pub use self::cancelled::CallCounts;
pub(crate) use self::deadline::Deadline;
use self::{cancelled::CountCancelled, deadline::WithDeadline, load_shed::LoadShed, trace::Trace};

/// The layers of one core.
pub(crate) fn layers(
    counts: CallCounts,
    default_deadline: Duration,
    max_in_flight: usize,
) -> impl Layer<
    Router,
    Service = impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
              + Clone
              + Send
              + 'static,
> {
    let shed = LoadShed::new(max_in_flight, counts.clone());
    ServiceBuilder::new()
        // A span for the call, and the caller's trace context for those who keep it.
        .layer_fn(Trace::around)
        // A caller who hangs up is neither an answer nor a failure. Outside the deadline, whose end is an answer.
        .layer_fn(move |inner| CountCancelled::around(inner, counts.clone()))
        // Whoever asks with no time left is told so at once, and nobody waits for longer than the time given.
        .layer_fn(move |inner| WithDeadline::around(inner, default_deadline))
        // Beyond what the core can bear, a cheap and complete answer is better than a late one.
        .layer_fn(move |inner| shed.clone().around(inner))
        // What tonic says of a request that it cannot read, in words and codes that help.
        .map_response(explain::explain)
        .into_inner()
}

/// A failure as a complete gRPC answer.
pub(crate) fn answer(failure: Failure) -> Response<Body> {
    Status::from(failure).into_http()
}
