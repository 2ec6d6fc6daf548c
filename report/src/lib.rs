//! A run when it is over, in the formats of ghz and in one page of HTML.

pub mod chart;
mod csv;
mod digest;
#[doc(hidden)]
pub mod fixture;
pub mod format;
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
use serde::{Deserialize, Serialize};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
