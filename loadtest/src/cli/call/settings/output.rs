//! What becomes of the result.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::text::JsonText;
use crate::report::Format;

/// The report.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Report")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Output {
    /// File for the report [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Format of the report [default: summary]
    #[arg(short = 'O', long, value_enum, value_name = "FORMAT")]
    #[serde(serialize_with = "write_format", deserialize_with = "read_format")]
    pub format: Option<Format>,

    /// Leave out so many first calls
    #[arg(long = "skipFirst", value_name = "NUMBER")]
    #[serde(rename = "skipFirst")]
    pub skip_first: Option<u64>,

    /// Count failed calls in the latencies
    #[arg(long)]
    pub count_errors: Option<bool>,

    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Tags of the run, as a JSON object of strings
    #[arg(long, value_name = "JSON")]
    pub tags: Option<JsonText>,

    /// File for a log of the run, a line of JSON for each event
    #[arg(long, value_name = "FILE")]
    pub debug: Option<PathBuf>,
}

fn write_format<S: Serializer>(format: &Option<Format>, serializer: S) -> Result<S::Ok, S::Error> {
    match format.and_then(|format| format.to_possible_value()) {
        Some(name) => serializer.serialize_str(name.get_name()),
        None => serializer.serialize_none(),
    }
}

fn read_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Format>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Format::from_str(&name, true).map(Some).map_err(|_| {
        let names = Format::value_variants().iter().filter_map(Format::to_possible_value);
        let names: Vec<String> = names.map(|known| known.get_name().to_owned()).collect();
        D::Error::custom(format!("{name:?} is not one of {}", names.join(", ")))
    })
}
