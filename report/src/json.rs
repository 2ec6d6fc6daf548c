//! ghz's JSON, with what Inrush measures beside it under the key `inrush`.

use std::io;

use serde::Serialize;

use super::{Report, digest::Digest, measured::Measured};

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    digest: Digest<'a>,
    inrush: Measured,
}

/// Writes the report on one line, or indented.
pub(super) fn write(report: &Report, indented: bool, to: &mut dyn io::Write) -> io::Result<()> {
    let whole = Whole { digest: Digest::new(report), inrush: Measured::new(report) };
    if indented {
        serde_json::to_writer_pretty(&mut *to, &whole)?;
    } else {
        serde_json::to_writer(&mut *to, &whole)?;
    }
    writeln!(to)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::{Format, fixture, write};

    fn written(format: Format) -> Value {
        let mut bytes = Vec::new();
        write(&fixture::report(), format, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_fields_are_those_of_ghz_and_one_more() {
        let report = written(Format::Json);
        let fields: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = "average count date details endReason errorDistribution fastest histogram inrush \
             latencyDistribution name options rps slowest statusCodeDistribution tags total";
        assert_eq!(fields, expected.split_whitespace().collect());
        assert_eq!(report["endReason"], "normal");
        assert_eq!(report["date"], "2023-11-14T22:13:30Z");
        assert_eq!(report["total"], 10_000_000_000_u64);
        assert_eq!(report["statusCodeDistribution"], json!({"OK": 990, "Unavailable": 10}));
        assert_eq!(report["errorDistribution"], json!({fixture::ERROR: 10}));
        let percentages: Vec<u64> = report["latencyDistribution"]
            .as_array()
            .unwrap()
            .iter()
            .map(|at| at["percentage"].as_u64().unwrap())
            .collect();
        assert_eq!(percentages, [10, 25, 50, 75, 90, 95, 99]);
        let detail = &report["details"][0];
        assert_eq!(detail["timestamp"], "2023-11-14T22:13:20.001000000Z");
        assert_eq!((&detail["latency"], &detail["status"]), (&json!(1_000_000), &json!("OK")));
        let bucket: BTreeSet<&str> =
            report["histogram"][3].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(bucket, BTreeSet::from(["count", "frequency", "mark"]));
    }

    #[test]
    fn every_field_is_described() {
        let page = include_str!("../../docs/loadtest-report.md");
        let report = written(Format::Json);
        let timeline = &report["inrush"]["timeline"];
        let parts = [
            &report,
            &report["latencyDistribution"][0],
            &report["histogram"][0],
            &report["details"][0],
            &report["inrush"],
            &report["inrush"]["ok"],
            &report["inrush"]["ok"]["service"],
            &report["inrush"]["ok"]["service"]["percentiles"],
            timeline,
            &timeline["intervals"][0],
        ];
        for field in parts.iter().flat_map(|part| part.as_object().unwrap().keys()) {
            assert!(page.contains(&format!("`{field}`")), "{field}");
        }
    }

    #[test]
    fn pretty_is_the_same_indented() {
        assert_eq!(written(Format::Pretty), written(Format::Json));
    }

    #[test]
    fn the_additions_of_inrush_have_both_latencies_and_the_timeline() {
        let report = &written(Format::Json)["inrush"];
        assert_eq!(report["open_loop"], true);
        assert_eq!(report["unsent"], 5);
        assert_eq!(report["late"], 2);
        let percentiles = &report["ok"]["from_planned"]["percentiles"];
        assert_eq!(percentiles.as_object().unwrap().len(), 6);
        assert!(percentiles["p99.99"].as_u64().unwrap() > percentiles["p50"].as_u64().unwrap());
        let intervals = report["timeline"]["intervals"].as_array().unwrap();
        assert_eq!(intervals.iter().map(|interval| interval["ended"].as_u64().unwrap()).sum::<u64>(), 1_000);
    }
}
