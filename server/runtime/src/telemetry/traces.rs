//! Traces: what calls that are traced have in common.
//!
//! Whoever begins a piece of work decides whether it is traced, before a span is made: at random by the share, unless its caller
//! has decided. Nothing is made for what is not traced, so every span that is made is sent. What turns out to be worth a
//! trace only at its end, because it failed or was slow, gets its span then, with the time of its start and with [`KEPT`]
//! among its attributes.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanProcessor};

use super::settings::TelemetrySettings;

/// What the spans' scope is called at a collector.
pub(super) const SCOPE: &str = "inrush";

/// The attribute of a span that is made whatever the share of traced calls is; its value says why: `error` or `slow`.
pub const KEPT: &str = "inrush.kept";

/// How the calls of this process are traced. Clones share the way to the collector.
#[derive(Clone, Debug)]
pub struct Traces {
    tracer: SdkTracer,
    sampling: f64,
    slow: Duration,
}

impl Traces {
    /// Traces whose spans go through this processor, and what ends them.
    pub fn over(
        settings: &TelemetrySettings,
        resource: Resource,
        processor: impl SpanProcessor + 'static,
    ) -> (Self, SdkTracerProvider) {
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(processor)
            .build();
        let tracer = provider.tracer(SCOPE);
        (Self { tracer, sampling: settings.sampling, slow: settings.slow }, provider)
    }

    /// Makes spans, each of which is sent.
    #[must_use]
    pub const fn tracer(&self) -> &SdkTracer {
        &self.tracer
    }

    /// The share of calls that are to be traced, unless their callers say otherwise: 0 to 1.
    #[must_use]
    pub const fn sampling(&self) -> f64 {
        self.sampling
    }

    /// Calls that take longer are to be kept.
    #[must_use]
    pub const fn slow(&self) -> Duration {
        self.slow
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    };
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SimpleSpanProcessor};

    use super::*;

    #[test]
    fn every_span_that_is_made_is_sent_whatever_its_caller_decided() {
        let exporter = InMemorySpanExporter::default();
        let settings = TelemetrySettings { sampling: 0.0, ..TelemetrySettings::default() };
        let resource = Resource::builder_empty().build();
        let (traces, _provider) =
            Traces::over(&settings, resource, SimpleSpanProcessor::new(exporter.clone()));
        let untraced = SpanContext::new(
            TraceId::from(7),
            SpanId::from(7),
            TraceFlags::NOT_SAMPLED,
            true,
            TraceState::default(),
        );
        drop(traces.tracer().start_with_context("root", &Context::new()));
        drop(traces.tracer().start_with_context("kept", &Context::new().with_remote_span_context(untraced)));
        let names: Vec<_> =
            exporter.get_finished_spans().unwrap().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["root", "kept"]);
    }
}
