//! A run when it is over, in the formats of ghz and in one page of HTML.

pub mod chart;
mod csv;
mod digest;
pub mod figure;
#[doc(hidden)]
pub mod fixture;
mod influx;
mod json;
pub mod markup;
pub mod measure;
mod measured;
pub mod page;
mod plots;
mod prometheus;
mod summary;

use std::{collections::BTreeMap, io};

pub use measured::{Clocks, Distribution, Measured, Part, Parts, QUANTILES};
use serde_json::{Map, Value};

use crate::measure::Results;

/// The size of a chart on a slide.
const SLIDE: chart::Size = chart::Size::new(1_200.0, 600.0);

/// A run that is over, and what it was asked to do.
#[derive(Debug, Clone)]
pub struct Report {
    /// The user's name for the run.
    pub name: Option<String>,
    /// The server, as it was given.
    pub host: String,
    /// The method, as it was given.
    pub call: String,
    /// The options of the run, by the names that ghz's JSON report uses.
    pub options: Map<String, Value>,
    /// The user's own tags.
    pub tags: BTreeMap<String, String>,
    /// Failed calls count in the latencies.
    pub count_errors: bool,
    /// What was measured.
    pub results: Results,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    Summary,
    /// One line per call.
    Csv,
    /// ghz's JSON, on one line.
    Json,
    /// The same, indented.
    Pretty,
    /// One self-contained page.
    Html,
    /// One line of InfluxDB's line protocol.
    InfluxSummary,
    /// The same, one line per call.
    InfluxDetails,
    /// Prometheus' text format.
    Prometheus,
}

/// Writes a report.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, format: Format, to: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Summary => summary::write(report, to),
        Format::Csv => csv::write(report, to),
        Format::Json => json::write(report, false, to),
        Format::Pretty => json::write(report, true, to),
        Format::Html => page::write(report, to),
        Format::InfluxSummary => influx::write_summary(report, to),
        Format::InfluxDetails => influx::write_details(report, to),
        Format::Prometheus => prometheus::write(report, to),
    }
}

/// Draws the main charts of a run, each with a name that a file can have.
pub fn draw_plots(report: &Report) -> Vec<(&'static str, chart::Drawing)> {
    plots::plots(report).iter().map(|plot| (plot.name, plot.chart.draw(SLIDE))).collect()
}
