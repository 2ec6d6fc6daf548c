//! Traces: the tracer, and the sampling settings of calls.
//!
//! Sampling is decided before a span is made: by the caller, or else by the ratio. Nothing is made for a call that is not
//! sampled, so every span that is made is exported. A call that failed or was slow gets its span at its end, with the time of
//! its start and the attribute [`SAMPLING_REASON`].

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanProcessor};

use super::settings::TelemetrySettings;

/// The name of the instrumentation scope.
pub(super) const SCOPE: &str = "inrush";

/// The attribute of a span that was made regardless of the ratio: `error` or `slow`.
pub const SAMPLING_REASON: &str = "inrush.sampling_reason";

/// The tracer and the sampling settings of a process. Clones share the exporter.
#[derive(Clone, Debug)]
pub struct Traces {
    tracer: SdkTracer,
    sampling_ratio: f64,
    slow_call_threshold: Duration,
}

impl Traces {
    /// Traces whose spans go to this processor, and the provider that shuts it down.
    pub fn with_processor(
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
        (
            Self {
                tracer,
                sampling_ratio: settings.sampling_ratio,
                slow_call_threshold: settings.slow_call_threshold,
            },
            provider,
        )
    }

    /// The tracer. Every span that it makes is exported.
    #[must_use]
    pub const fn tracer(&self) -> &SdkTracer {
        &self.tracer
    }

    /// The ratio of calls that are traced unless their caller has decided: 0 to 1.
    #[must_use]
    pub const fn sampling_ratio(&self) -> f64 {
        self.sampling_ratio
    }

    /// Calls that take longer are traced regardless of the ratio.
    #[must_use]
    pub const fn slow_call_threshold(&self) -> Duration {
        self.slow_call_threshold
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
    fn every_span_is_exported_even_if_the_parent_is_not_sampled() {
        let exporter = InMemorySpanExporter::default();
        let settings = TelemetrySettings { sampling_ratio: 0.0, ..TelemetrySettings::default() };
        let resource = Resource::builder_empty().build();
        let (traces, _provider) =
            Traces::with_processor(&settings, resource, SimpleSpanProcessor::new(exporter.clone()));
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
