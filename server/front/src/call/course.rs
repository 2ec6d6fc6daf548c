//! What is seen of a call: when it began, which traces it belongs to, and how it ended.

use std::{sync::Arc, thread, time::Instant};

use h2::RecvStream;
use http::Request;
use inrush_runtime::trace_context::TraceContext;
use opentelemetry::Context;
use tonic::Code;

use crate::{
    metrics::{CallDurations, CoreCounts, GaugeGuard, GaugeKind},
    rpc::method::Method,
    spans::{CallTrace, Spans},
};

/// Sees the calls of a core begin and end.
pub(super) struct Watcher {
    pub(super) durations: CallDurations,
    pub(super) spans: Spans,
    pub(super) counts: Arc<CoreCounts>,
}

/// A call that has begun.
pub(super) struct Course {
    method: Method,
    at: Instant,
    origin: CallTrace,
}

/// A call on its way to an answer. Dropped before, its caller has hung up, or what worked on it has panicked.
pub(super) struct Underway<'a> {
    watcher: &'a Watcher,
    course: Course,
    is_over: bool,
    in_flight_guard: Option<GaugeGuard>,
}

impl Watcher {
    /// A call has begun.
    pub(super) fn begin(&self, request: &Request<RecvStream>) -> Course {
        let method = Method::of(request.uri().path());
        Course { method, at: Instant::now(), origin: self.spans.begin(method, request.headers()) }
    }

    /// The call is being answered from here on.
    pub(super) fn attend(&self, course: Course) -> Underway<'_> {
        Underway {
            watcher: self,
            course,
            is_over: false,
            in_flight_guard: Some(self.counts.count(GaugeKind::Calls)),
        }
    }

    /// The call is over.
    pub(super) fn end(&self, Course { method, at, origin }: &Course, code: Code) {
        let took = at.elapsed();
        self.durations.record(*method, code, took);
        self.spans.end(origin, *method, code, took);
    }
}

impl Course {
    pub(super) const fn method(&self) -> Method {
        self.method
    }

    /// What the call's work is done in, if the call is traced.
    pub(super) fn context(&self) -> Option<Context> {
        self.origin.context().cloned()
    }

    /// The span that the call's work belongs to, if the call is traced.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.origin.trace()
    }
}

impl Underway<'_> {
    /// It is not among the calls in flight any more, though it goes on.
    pub(super) fn rest(&mut self) {
        self.in_flight_guard = None;
    }

    /// It was answered.
    pub(super) fn end(mut self, code: Code) {
        self.is_over = true;
        self.watcher.end(&self.course, code);
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if thread::panicking() {
            self.watcher.end(&self.course, Code::Internal);
        } else {
            self.watcher.counts.cancelled();
            self.watcher.end(&self.course, Code::Cancelled);
        }
    }
}
