//! The spans of calls: which calls have one, and its attributes.
//!
//! Whether a call is traced is decided first, and cheaply: by its caller's `traceparent`, or else by the sampling ratio. A call
//! that is not traced has no span, unless it failed or was slow: then one is created when it ends, with its real start and
//! without children.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use inrush_proto::{code_name, is_server_error};
use inrush_telemetry::{SAMPLING_REASON, Traces, trace_context::TraceContext};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
};
use tonic::Code;

use crate::call::Method;

mod forced;

use self::forced::{ForcedSpanLimits, Reason};

/// Attributes that a call's span may have, so that the list of them is allocated once.
const ATTRIBUTES: usize = 5;

/// Traces the calls of one core.
pub(crate) struct Spans {
    /// `None` disables tracing.
    traces: Option<Traces>,
    sampler: RatioSampler,
    forced: ForcedSpanLimits,
}

/// The trace of a call.
#[derive(Debug, Default)]
pub(crate) struct CallTrace {
    /// The context for the work of the call, if it is traced.
    context: Option<Context>,
    /// The caller's `traceparent`.
    caller: Option<TraceContext>,
}

impl CallTrace {
    /// The context for the work of the call, if it is traced.
    pub(crate) const fn context(&self) -> Option<&Context> {
        self.context.as_ref()
    }

    /// The span that the call's work belongs to: its own, or its caller's where this node makes none.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.context.as_ref().map(|context| context.span().span_context().into())
    }
}

impl Spans {
    /// Spans for this exporter; `None` disables them.
    pub(crate) fn new(traces: Option<Traces>) -> Self {
        let sampler = RatioSampler::new(traces.as_ref().map_or(0.0, Traces::sampling_ratio), rand::random());
        Self { traces, sampler, forced: ForcedSpanLimits::default() }
    }

    /// Decides whether a call is traced, and starts its span.
    pub(crate) fn begin(&self, method: Method, headers: &HeaderMap) -> CallTrace {
        let caller = TraceContext::from_headers(headers);
        let Some(traces) = &self.traces else {
            let context = caller.filter(TraceContext::is_sampled).map(|caller| caller.context());
            return CallTrace { context, caller };
        };
        if !caller.map_or_else(|| self.sampler.sample(), |caller| caller.is_sampled()) {
            return CallTrace { context: None, caller };
        }
        let parent = parent(caller);
        let span = traces.tracer().build_with_context(builder(method), &parent);
        CallTrace { context: Some(parent.with_span(span)), caller }
    }

    /// Ends the span of a call, or creates one now if the call failed or was slow.
    pub(crate) fn end(&self, call_trace: &CallTrace, method: Method, code: Code, took: Duration) {
        match (&self.traces, &call_trace.context) {
            (None, _) => {}
            (Some(_), Some(context)) => {
                let span = context.span();
                span.set_attributes(outcome(code));
                span.set_status(status(code));
                span.end();
            }
            (Some(traces), None) => self.force(traces, call_trace, method, code, took),
        }
    }

    /// Creates the span of an untraced call that failed or was slow.
    fn force(&self, traces: &Traces, call_trace: &CallTrace, method: Method, code: Code, took: Duration) {
        let reason = if is_server_error(code) {
            Reason::Error
        } else if took > traces.slow_call_threshold() && !method.is_streaming() {
            Reason::Slow
        } else {
            return;
        };
        if !self.forced.allow(reason) {
            return;
        }
        let ended = SystemTime::now();
        let mut builder = builder(method);
        builder.start_time = ended.checked_sub(took);
        let forced = KeyValue::new(SAMPLING_REASON, reason.name());
        builder.attributes.get_or_insert_default().extend(outcome(code).chain([forced]));
        let mut span = traces.tracer().build_with_context(builder, &parent(call_trace.caller));
        span.set_status(status(code));
        span.end_with_timestamp(ended);
    }
}

/// The caller's span, or none.
fn parent(caller: Option<TraceContext>) -> Context {
    caller.map_or_else(Context::new, |caller| caller.context())
}

fn builder(method: Method) -> SpanBuilder {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    attributes.extend([KeyValue::new(RPC_SYSTEM_NAME, "grpc"), KeyValue::new(RPC_METHOD, method.name())]);
    SpanBuilder {
        span_kind: Some(SpanKind::Server),
        attributes: Some(attributes),
        ..SpanBuilder::from_name(method.name())
    }
}

fn outcome(code: Code) -> impl Iterator<Item = KeyValue> {
    let error = is_server_error(code).then(|| KeyValue::new(ERROR_TYPE, code_name(code)));
    [KeyValue::new(RPC_RESPONSE_STATUS_CODE, code_name(code))].into_iter().chain(error)
}

fn status(code: Code) -> Status {
    if is_server_error(code) { Status::error("") } else { Status::Unset }
}

/// 2⁶⁴ divided by the golden ratio: multiples of it, modulo 2⁶⁴, lie evenly spread, for any number of them and
/// also for every n-th of them. So the ratio is nearly exact, for every tenth call as well as for all.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

const ALL: f64 = 18_446_744_073_709_551_616.0;

/// Samples at a given ratio, without a random number for each call.
#[derive(Debug)]
struct RatioSampler {
    /// Values below are sampled: 0 to 2⁶⁴.
    below: u128,
    next: AtomicU64,
}

impl RatioSampler {
    /// A ratio from 0 to 1. `seed` makes cores differ.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a ratio is 0 to 1, and the cast saturates"
    )]
    fn new(ratio: f64, seed: u64) -> Self {
        Self { below: (ratio * ALL) as u128, next: AtomicU64::new(seed) }
    }

    /// Whether the next call is sampled.
    fn sample(&self) -> bool {
        u128::from(self.next.fetch_add(STEP, Ordering::Relaxed)) < self.below
    }
}

#[cfg(test)]
mod tests;
