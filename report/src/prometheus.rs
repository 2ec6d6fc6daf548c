//! Prometheus' text format, with ghz's metrics and labels. Where ghz's histogram cannot be read by Prometheus, because
//! its buckets are not cumulative and its sums are not of what is counted, this one can.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    io,
};

use serde_json::Value;

use super::{
    Report,
    digest::{Digest, whole_nanoseconds},
    measured::QUANTILES,
};
use crate::measure::Quantile as _;

/// Labels by name.
type Labels = BTreeMap<String, String>;

/// Writes the metrics.
pub(super) fn write(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let digest = Digest::new(report);
    let labels = labels(report, &digest);
    let mut page = Page { labels, text: String::new() };
    page.gauge("ghz_run_count", digest.count);
    page.gauge("ghz_run_total", whole_nanoseconds(digest.total));
    page.gauge("ghz_run_average", whole_nanoseconds(digest.average));
    page.gauge("ghz_run_fastest", whole_nanoseconds(digest.fastest));
    page.gauge("ghz_run_slowest", whole_nanoseconds(digest.slowest));
    page.gauge("ghz_run_rps", digest.rps);
    add_histogram(&mut page, report, &digest);
    add_latencies(&mut page, report, &digest);
    page.gauge("ghz_run_errors", digest.error_count());
    add_truth(&mut page, report);
    to.write_all(page.text.as_bytes())
}

/// In seconds, as ghz's marks are.
fn add_histogram(page: &mut Page, report: &Report, digest: &Digest<'_>) {
    page.kind("ghz_run_histogram", "histogram");
    let mut below = 0;
    for bucket in &digest.histogram {
        below += bucket.count;
        page.value("ghz_run_histogram_bucket", &[("le", &bucket.mark)], below);
    }
    let latencies = report.results.latencies(report.count_errors).from_planned;
    page.value("ghz_run_histogram_bucket", &[("le", &"+Inf")], latencies.len());
    page.value("ghz_run_histogram_sum", &[], sum(&latencies) / 1e9);
    page.value("ghz_run_histogram_count", &[], latencies.len());
}

/// In nanoseconds, as ghz's latencies are.
fn add_latencies(page: &mut Page, report: &Report, digest: &Digest<'_>) {
    page.kind("ghz_run_latency", "summary");
    for at in &digest.latency_distribution {
        let quantile = f64::from(at.percentage) / 100.0;
        page.value("ghz_run_latency", &[("quantile", &quantile)], whole_nanoseconds(at.latency));
    }
    let latencies = report.results.latencies(report.count_errors).from_planned;
    page.value("ghz_run_latency_sum", &[], sum(&latencies));
    page.value("ghz_run_latency_count", &[], latencies.len());
}

/// What ghz does not know.
fn add_truth(page: &mut Page, report: &Report) {
    let results = &report.results;
    page.gauge("inrush_run_late", results.late);
    page.gauge("inrush_run_unsent", results.unsent);
    page.gauge("inrush_run_open_loop", u8::from(results.open_loop));
    page.kind("inrush_run_latency_seconds", "summary");
    let latencies = results.latencies(report.count_errors);
    for (from, histogram) in [("planned", &latencies.from_planned), ("service", &latencies.service)] {
        for quantile in QUANTILES.into_iter().filter(|_| !histogram.is_empty()) {
            let labels: &[(&str, &dyn Display)] = &[("from", &from), ("quantile", &quantile)];
            page.value("inrush_run_latency_seconds", labels, histogram.at(quantile).as_secs_f64());
        }
        page.value("inrush_run_latency_seconds_sum", &[("from", &from)], sum(histogram) / 1e9);
        page.value("inrush_run_latency_seconds_count", &[("from", &from)], histogram.len());
    }
}

#[expect(clippy::cast_precision_loss, reason = "the format's numbers are floats")]
fn sum(histogram: &hdrhistogram::Histogram<u64>) -> f64 {
    histogram.mean() * histogram.len() as f64
}

struct Page {
    /// On every line.
    labels: Labels,
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, value: impl Display) {
        self.kind(name, "gauge");
        self.value(name, &[], value);
    }

    fn kind(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, own: &[(&str, &dyn Display)], value: impl Display) {
        let common = self.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let own = own.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        let labels: Vec<String> = common.chain(own).collect();
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }
}

/// The options of the run, but for what it sent; of schedules only those that are not constant.
fn labels(report: &Report, digest: &Digest<'_>) -> Labels {
    let constant = |schedule: &str| {
        report.options.get(schedule).and_then(Value::as_str).is_none_or(|schedule| schedule == "const")
    };
    let (one_rate, one_concurrency) = (constant("load-schedule"), constant("concurrency-schedule"));
    let mut labels = Labels::from([
        ("name".to_owned(), digest.name.unwrap_or_default().to_owned()),
        ("end_reason".to_owned(), text_of(&serde_json::json!(digest.end_reason))),
    ]);
    for (name, value) in &report.options {
        let left_out = matches!(name.as_str(), "data" | "metadata" | "name")
            || (one_rate && name.starts_with("load-"))
            || (one_concurrency && name.starts_with("concurrency-"));
        if !left_out {
            labels.insert(label_name(name), text_of(value));
        }
    }
    labels
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prometheus allows letters, digits and underscores.
fn label_name(option: &str) -> String {
    option.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use crate::{Format, fixture, write};

    #[test]
    fn the_metrics_are_those_of_ghz_and_the_buckets_add_up() {
        let mut bytes = Vec::new();
        write(&fixture::report(), Format::Prometheus, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (name, kind) in [
            ("count", "gauge"),
            ("total", "gauge"),
            ("average", "gauge"),
            ("fastest", "gauge"),
            ("slowest", "gauge"),
            ("rps", "gauge"),
            ("histogram", "histogram"),
            ("latency", "summary"),
            ("errors", "gauge"),
        ] {
            assert!(text.contains(&format!("# TYPE ghz_run_{name} {kind}\nghz_run_{name}")), "{name}");
        }
        let labels = "CPUs=\"2\",binary=\"false\",call=\"greet.Greeter.Hello\",concurrency=\"50\",connections=\"1\",\
             dial_timeout=\"10000000000\",duration=\"0\",end_reason=\"normal\",host=\"127.0.0.1:50051\",\
             import_paths=\"a,b\",insecure=\"true\",name=\"greet <fast> & \\\"often\\\"\",proto=\"greet.proto\",\
             rps=\"100\",timeout=\"20000000000\",total=\"1000\"";
        assert!(text.contains(&format!("ghz_run_count{{{labels}}} 1000\n")), "{text}");
        let buckets: Vec<u64> = text
            .lines()
            .filter(|line| line.starts_with("ghz_run_histogram_bucket"))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(buckets.len(), 12);
        assert!(buckets.is_sorted());
        assert_eq!(buckets.last(), Some(&990));
    }
}
