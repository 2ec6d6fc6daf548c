//! What every process tells of itself, whatever it serves.

use super::family::Family;
use super::metrics::Metrics;
use crate::readiness::Readiness;

const READY: Family =
    Family::gauge("inrush.ready", "", &[], "Whether the process can serve: 1, or 0 while it lacks something");

const BUILD_INFO: Family =
    Family::gauge("inrush.build_info", "", &["version"], "Always 1, with the version of the program");

/// The metrics of every process.
pub const PROCESS_FAMILIES: [Family; 2] = [READY, BUILD_INFO];

impl Metrics {
    /// Registers what every process tells of itself.
    pub fn describe_process(&self, version: &'static str, readiness: &Readiness) {
        let readiness = readiness.clone();
        self.gauge(&READY, move |points| {
            points.add(if readiness.report().ready { 1.0 } else { 0.0 }, &[]);
        });
        self.gauge(&BUILD_INFO, move |points| points.add(1.0, &[("version", version)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_its_version_and_whether_it_can_serve() {
        let (metrics, readiness) = (Metrics::default(), Readiness::new());
        metrics.describe_process("1.2.3", &readiness);
        let store = readiness.require("store", "not asked yet");
        assert!(metrics.text().unwrap().contains("\ninrush_ready 0\n"));
        store.ready();
        let text = metrics.text().unwrap();
        assert!(text.contains("\ninrush_ready 1\n"), "{text}");
        assert!(text.contains("\ninrush_build_info{version=\"1.2.3\"} 1\n"), "{text}");
    }
}
