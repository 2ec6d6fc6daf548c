//! InfluxDB's line protocol, with ghz's measurements, tags and fields.

use std::{
    fmt::Display,
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::{
    Report,
    digest::{Digest, whole_nanoseconds},
};

/// Options of a schedule that is not constant, as tags of the same names.
const CONCURRENCY: [&str; 6] = [
    "concurrency-schedule",
    "concurrency-start",
    "concurrency-end",
    "concurrency-step",
    "concurrency-step-duration",
    "concurrency-max-duration",
];
const LOAD: [&str; 6] =
    ["load-schedule", "load-start", "load-end", "load-step", "load-step-duration", "load-max-duration"];

/// Writes one line for the run.
pub(super) fn write_summary(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let digest = Digest::new(report);
    let errors = digest.error_count();
    let tags = format!("{},errors={errors},has_errors={}", tags(report, &digest), errors > 0);
    writeln!(to, "ghz_run,{tags} {} {}", fields(&digest), since_1970(digest.date))
}

/// Writes one line for each call that is kept.
pub(super) fn write_details(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    let digest = Digest::new(report);
    let tags = tags(report, &digest);
    for detail in &digest.details {
        let latency = whole_nanoseconds(detail.latency);
        let (error, failed) = (string(detail.error), !detail.error.is_empty());
        let (status, at) = (detail.status, since_1970(detail.timestamp));
        writeln!(
            to,
            "ghz_detail,{tags},hasError={failed} latency={latency},error={error},status=\"{status}\" {at}"
        )?;
    }
    Ok(())
}

fn fields(digest: &Digest<'_>) -> String {
    let mut fields = format!(
        "count={},total={},average={},fastest={},slowest={},rps={:.2}",
        digest.count,
        whole_nanoseconds(digest.total),
        whole_nanoseconds(digest.average),
        whole_nanoseconds(digest.fastest),
        whole_nanoseconds(digest.slowest),
        digest.rps,
    );
    for at in &digest.latency_distribution {
        let name = match at.percentage {
            50 => "median",
            95 => "p95",
            _ => continue,
        };
        fields.push_str(&format!(",{name}={}", whole_nanoseconds(at.latency)));
    }
    format!("{fields},errors={}", digest.error_count())
}

/// The tags of a run, in ghz's order.
fn tags(report: &Report, digest: &Digest<'_>) -> String {
    let option = |name: &str| report.options.get(name);
    let number = |name: &str| option(name).and_then(Value::as_u64).unwrap_or(0);
    let seconds = |name: &str| std::time::Duration::from_nanos(number(name)).as_secs_f64();
    let mut tags = Tags::default();
    if let Some(name) = digest.name {
        tags.add("name", tag(&quoted(name.trim())));
    }
    if let Some(proto) = option("proto").and_then(Value::as_str).filter(|proto| !proto.is_empty()) {
        tags.add("proto", tag(&quoted(proto)));
    } else if let Some(protoset) = option("protoset").and_then(Value::as_str).filter(|set| !set.is_empty()) {
        tags.add("Protoset", tag(&quoted(protoset)));
    }
    tags.add("call", tag(&quoted(&report.call)));
    tags.add("host", tag(&quoted(&report.host)));
    tags.add("n", number("total"));
    tags.add_schedule(report, "c", "concurrency", &CONCURRENCY);
    tags.add_schedule(report, "rps", "rps", &LOAD);
    tags.add("z", number("duration"));
    tags.add("timeout", seconds("timeout"));
    tags.add("dial_timeout", seconds("dial-timeout"));
    tags.add("keepalive", seconds("keepalive"));
    tags.add("data", json_tag(option("data").unwrap_or(&Value::Null)));
    tags.add("metadata", option("metadata").map_or_else(|| "\"\"".to_owned(), json_tag));
    let own =
        if report.tags.is_empty() { "\"\"".to_owned() } else { json_tag(&serde_json::json!(report.tags)) };
    tags.add("tags", own);
    tags.0.join(",")
}

#[derive(Default)]
struct Tags(Vec<String>);

impl Tags {
    fn add(&mut self, name: &str, value: impl Display) {
        self.0.push(format!("{name}={value}"));
    }

    /// One number for a constant schedule, else all of its options. The first of `names` determines which it is.
    fn add_schedule(&mut self, report: &Report, short: &str, constant: &str, names: &[&str; 6]) {
        let plain = |name: &str| match report.options.get(name) {
            Some(Value::String(text)) => tag(text),
            Some(value) => value.to_string(),
            None => "0".to_owned(),
        };
        let [schedule, ..] = names;
        if report.options.get(*schedule).and_then(Value::as_str).is_none_or(|schedule| schedule == "const") {
            return self.add(short, plain(constant));
        }
        names.iter().for_each(|name| self.add(name, plain(name)));
    }
}

/// JSON within a JSON string, as ghz writes what is structured.
fn json_tag(value: &Value) -> String {
    tag(&Value::String(value.to_string()).to_string())
}

/// A tag's value: its own separators are escaped, and it cannot hold the end of a line.
fn tag(value: &str) -> String {
    let mut tag = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            ' ' | ',' | '=' => tag.extend(['\\', character]),
            '\n' | '\r' => tag.push_str("\\ "),
            _ => tag.push(character),
        }
    }
    tag
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A field's text.
fn string(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    quoted(&escaped.replace(['\n', '\r'], " "))
}

fn since_1970(time: SystemTime) -> u64 {
    whole_nanoseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::{Format, fixture, write};

    const TAGS: &str = r#"name="greet\ <fast>\ &\ "often"",proto="greet.proto",call="greet.Greeter.Hello",host="127.0.0.1:50051",n=1000,c=50,rps=100,z=0,timeout=20,dial_timeout=10,keepalive=0,data="{\"name\":\"Bob\ Smith\"}",metadata="{\"trace\":\"a\=b\,\ c\"}",tags="{\"env\":\"staging\"}""#;

    fn written(format: Format) -> String {
        let mut bytes = Vec::new();
        write(&fixture::report(), format, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_summary_has_the_tags_and_fields_of_ghz() {
        let line = written(Format::InfluxSummary);
        assert!(line.starts_with(&format!("ghz_run,{TAGS},errors=10,has_errors=true count=1000,")), "{line}");
        for part in
            ["total=10000000000,", ",rps=100.00,median=54", ",p95=9", ",errors=10 1700000010000000000\n"]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn every_call_has_a_line_with_any_error_text() {
        let lines = written(Format::InfluxDetails);
        assert_eq!(lines.lines().count(), 1_000);
        let first = format!(
            "ghz_detail,{TAGS},hasError=false latency=1000000,error=\"\",status=\"OK\" 1700000000001000000\n"
        );
        assert!(lines.starts_with(&first), "{lines}");
        let error =
            r#"error="rpc error: code = Unavailable desc = \"no\", </script><b>x\\y z",status="Unavailable""#;
        assert_eq!(lines.matches(error).count(), 10);
    }
}
