//! The run as one HTML file that opens anywhere, offline: the table and a plot of what happened when.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;

use super::{counters::Sample, summary::Summary};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 280.0;
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:920px;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.6rem}table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #d8dee4;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:#116329}.bad{color:#a40e26;font-weight:600}\
svg{width:100%;height:auto;background:#f6f8fa;border-radius:6px}.key{display:inline-block;margin-right:1.2rem}\
.key i{display:inline-block;width:.9em;height:.9em;border-radius:2px;margin-right:.4em;vertical-align:-.08em}";

/// One curve of the plot.
struct Curve {
    name: &'static str,
    colour: &'static str,
    value: fn(&Sample) -> u64,
}

const CURVES: [Curve; 4] = [
    Curve { name: "asked", colour: "#0969da", value: |sample| sample.answered },
    Curve { name: "refused", colour: "#8c959f", value: |sample| sample.refused },
    Curve { name: "in line", colour: "#bf8700", value: |sample| sample.waiting },
    Curve { name: "ordered", colour: "#1a7f37", value: |sample| sample.ordered },
];

/// Writes the report of a run.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, summary: &Summary, timeline: &[Sample]) -> anyhow::Result<()> {
    fs::write(path, render(summary, timeline))
        .with_context(|| format!("cannot write the report to {}", path.display()))
}

fn render(summary: &Summary, timeline: &[Sample]) -> String {
    let (verdict, class) =
        if summary.passed() { ("The promise was kept.", "good") } else { ("The promise was broken.", "bad") };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Inrush demo</title><style>{STYLE}</style>\
         <h1>{} units, {} buyers</h1><p class=\"{class}\">{verdict}</p>{}<h2>Figures</h2>{}</html>\n",
        summary.stock,
        summary.buyers,
        plot(timeline),
        table(summary),
    )
}

fn table(summary: &Summary) -> String {
    let faults = ["oversold", "lost", "duplicated", "out_of_order"];
    let mut rows = String::new();
    // A struct of plain numbers and one word always has a JSON form; an empty table would say that it had not.
    if let Ok(serde_json::Value::Object(figures)) = serde_json::to_value(summary) {
        for (name, value) in &figures {
            let value = value.as_str().map_or_else(|| rounded(value), str::to_owned);
            let class = match (faults.contains(&name.as_str()), value.as_str()) {
                (true, "0") => " good",
                (true, _) => " bad",
                (false, _) => "",
            };
            let name = name.replace('_', " ");
            let _ = write!(rows, "<tr><th>{name}</th><td class=\"n{class}\">{value}</td></tr>");
        }
    }
    format!("<table>{rows}</table>")
}

fn rounded(value: &serde_json::Value) -> String {
    match value.as_u64() {
        Some(whole) => whole.to_string(),
        None => format!("{:.1}", value.as_f64().unwrap_or_default()),
    }
}

fn plot(timeline: &[Sample]) -> String {
    let end = timeline.last().map_or(1.0, |last| last.at_s).max(0.001);
    let top = timeline
        .iter()
        .flat_map(|sample| CURVES.iter().map(|curve| (curve.value)(sample)))
        .max()
        .unwrap_or(1)
        .max(1);
    let mut keys = String::new();
    let mut curves = String::new();
    for Curve { name, colour, value } in &CURVES {
        let mut points = String::new();
        for sample in timeline {
            let x = sample.at_s / end * WIDTH;
            let y = HEIGHT - as_number(value(sample)) / as_number(top) * (HEIGHT - 10.0);
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let _ = write!(
            curves,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{points}\"/>"
        );
        let _ = write!(keys, "<span class=\"key\"><i style=\"background:{colour}\"></i>{name}</span>");
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"asked, refused, in line and ordered over time\">{curves}</svg>\
         <p>{keys}<span class=\"key\">0 to {end:.1} s, 0 to {top}</span></p>"
    )
}

#[expect(clippy::cast_precision_loss, reason = "a plot's pixels need no more")]
const fn as_number(count: u64) -> f64 {
    count as f64
}
