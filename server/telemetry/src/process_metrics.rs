//! The metrics that every process has.

use super::metric_def::MetricDef;
use super::metrics::Metrics;
use inrush_runtime::readiness::Readiness;

const READY: MetricDef = MetricDef::gauge(
    "inrush.ready",
    "",
    &[],
    "1 if the process is ready, 0 while a dependency is unavailable",
);

const BUILD_INFO: MetricDef = MetricDef::gauge(
    "inrush.build_info",
    "",
    &["version"],
    "Always 1; the label has the version of the program",
);

/// The metrics of every process.
pub const PROCESS_METRICS: [MetricDef; 2] = [READY, BUILD_INFO];

impl Metrics {
    /// Registers the metrics that every process has.
    pub fn register_process_metrics(&self, version: &'static str, readiness: &Readiness) {
        let readiness = readiness.clone();
        self.gauge(&READY, move |observer| {
            observer.observe(if readiness.report().ready { 1.0 } else { 0.0 }, &[]);
        });
        self.gauge(&BUILD_INFO, move |observer| observer.observe(1.0, &[("version", version)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_readiness_are_reported() {
        let (metrics, readiness) = (Metrics::default(), Readiness::new());
        metrics.register_process_metrics("1.2.3", &readiness);
        let store = readiness.require("store", "not checked yet");
        assert!(metrics.text().unwrap().contains("\ninrush_ready 0\n"));
        store.ready();
        let text = metrics.text().unwrap();
        assert!(text.contains("\ninrush_ready 1\n"), "{text}");
        assert!(text.contains("\ninrush_build_info{version=\"1.2.3\"} 1\n"), "{text}");
    }
}
