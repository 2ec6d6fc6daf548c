//! A call on its way through the layers, and what they find out about it.

use http::Request;
use inrush_telemetry::trace_context::TraceContext;
use tokio::time::Instant;

mod caller;
pub(crate) mod code;
mod deadline;
mod method;

pub(crate) use self::{caller::Caller, deadline::Deadline, method::Method};

/// A request, and what the layers know about it.
#[derive(Debug)]
pub(crate) struct Call<B> {
    pub(crate) request: Request<B>,
    pub(crate) method: Method,
    pub(crate) received_at: Instant,
    pub(crate) meta: CallMeta,
}

/// What a service learns about a call besides its message.
#[derive(Clone, Debug)]
pub(crate) struct CallMeta {
    /// When the caller stops waiting.
    pub(crate) deadline: Deadline,
    /// The span that work for the call belongs to, if the call is traced.
    pub(crate) trace: Option<TraceContext>,
    /// Who calls.
    pub(crate) caller: Caller,
}

impl<B> Call<B> {
    /// A call that has just been received: not traced, anonymous, and with no deadline but `now` until a layer sets them.
    pub(crate) fn new(request: Request<B>) -> Self {
        let method = Method::of(request.uri().path());
        let received_at = Instant::now();
        Self { request, method, received_at, meta: CallMeta::new(received_at) }
    }
}

impl CallMeta {
    /// The meta of a call that tonic has handed to a generated service.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::new(Instant::now()))
    }

    fn new(now: Instant) -> Self {
        Self { deadline: Deadline::at(now), trace: None, caller: Caller::Anonymous }
    }
}
