//! ghz's JSON report, as read by a program that was written for ghz: all of its fields, with their types.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::called::{Certificates, DynamicServer, Folder, Setup};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GhzReport {
    pub(crate) name: Option<String>,
    pub(crate) end_reason: String,
    pub(crate) date: String,
    pub(crate) options: GhzOptions,
    pub(crate) count: u64,
    /// All durations are in nanoseconds.
    pub(crate) total: u64,
    pub(crate) average: u64,
    pub(crate) fastest: u64,
    pub(crate) slowest: u64,
    pub(crate) rps: f64,
    pub(crate) error_distribution: BTreeMap<String, u64>,
    pub(crate) status_code_distribution: BTreeMap<String, u64>,
    pub(crate) latency_distribution: Vec<GhzLatency>,
    pub(crate) histogram: Vec<GhzBucket>,
    pub(crate) details: Vec<GhzDetail>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The extension of Inrush.
    pub(crate) inrush: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GhzLatency {
    pub(crate) percentage: u32,
    pub(crate) latency: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GhzBucket {
    pub(crate) mark: f64,
    pub(crate) count: u64,
    pub(crate) frequency: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GhzDetail {
    pub(crate) timestamp: String,
    pub(crate) latency: u64,
    pub(crate) error: String,
    pub(crate) status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct GhzOptions {
    pub(crate) call: String,
    pub(crate) host: String,
    pub(crate) proto: Option<String>,
    pub(crate) protoset: Option<String>,
    pub(crate) import_paths: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) enable_compression: bool,
    pub(crate) cacert: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) cname: Option<String>,
    #[serde(default, rename = "skipTLS")]
    pub(crate) skip_tls: bool,
    pub(crate) insecure: bool,
    pub(crate) authority: Option<String>,
    pub(crate) rps: Option<u32>,
    pub(crate) load_schedule: String,
    pub(crate) load_start: i64,
    pub(crate) load_end: i64,
    pub(crate) load_step: i64,
    pub(crate) load_step_duration: u64,
    pub(crate) load_max_duration: u64,
    pub(crate) concurrency: Option<u32>,
    pub(crate) concurrency_schedule: String,
    pub(crate) concurrency_start: i64,
    pub(crate) concurrency_end: i64,
    pub(crate) concurrency_step: i64,
    pub(crate) concurrency_step_duration: u64,
    pub(crate) concurrency_max_duration: u64,
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) r#async: bool,
    pub(crate) connections: Option<u32>,
    pub(crate) duration: Option<u64>,
    pub(crate) timeout: Option<u64>,
    pub(crate) dial_timeout: Option<u64>,
    pub(crate) keepalive: Option<u64>,
    pub(crate) data: Option<Value>,
    pub(crate) binary: bool,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    #[serde(rename = "CPUs")]
    pub(crate) cpus: u32,
    pub(crate) name: Option<String>,
    #[serde(rename = "skipFirst")]
    pub(crate) skip_first: Option<u64>,
    #[serde(default)]
    pub(crate) count_errors: bool,
}

#[test]
fn a_program_that_was_written_for_ghz_reads_the_report() {
    let server = DynamicServer::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    let line = format!(
        "ghz --insecure --call helloworld.Greeter.SayHello -n 100 -c 4 --name greeting --count-errors -O json \\
         --concurrency-schedule step --concurrency-start 4 --concurrency-step 2 --concurrency-step-duration 10s \\
         --concurrency-max-duration 20s -d '{{\"name\":\"Joe\"}}' {}",
        server.address
    );
    let output = folder.run(&line, b"");
    let report: GhzReport = serde_json::from_slice(&output.stdout).unwrap();
    assert!(humantime::parse_rfc3339(&report.date).is_ok(), "{}", report.date);
    assert!((report.rps - 100.0 / (report.total as f64 / 1e9)).abs() < report.rps / 100.0, "{}", report.rps);
    let percentages: Vec<u32> = report.latency_distribution.iter().map(|at| at.percentage).collect();
    assert_eq!(percentages, [10, 25, 50, 75, 90, 95, 99]);
    assert!(report.latency_distribution.is_sorted_by_key(|at| at.latency));
    assert_eq!(report.histogram.len(), 11);
    assert!(report.histogram.is_sorted_by(|left, right| left.mark <= right.mark));
    assert_eq!(report.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), 100);
    assert!((report.histogram.iter().map(|bucket| bucket.frequency).sum::<f64>() - 1.0).abs() < 1e-6);
    assert_eq!(report.details.len(), 100);
    for call in &report.details {
        assert!(humantime::parse_rfc3339(&call.timestamp).is_ok(), "{}", call.timestamp);
        assert!((1..=report.total).contains(&call.latency), "{call:?}");
    }
    let options = report.options;
    assert_eq!(options.call, "helloworld.Greeter.SayHello");
    assert_eq!(options.name.as_deref(), Some("greeting"));
    assert!(options.count_errors);
    assert_eq!(options.concurrency_step_duration, 10_000_000_000);
    assert_eq!(options.concurrency_max_duration, 20_000_000_000);
}
