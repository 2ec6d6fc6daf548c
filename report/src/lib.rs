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
mod run_report;
mod summary;

use std::io;

pub use measured::{Clocks, Distribution, Measured, Part, Parts, QUANTILES};
pub use run_report::Report;

/// The size of a chart on a slide.
const SLIDE: chart::Size = chart::Size::new(1_200.0, 600.0);

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
