//! A run that is over, as all formats need it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::measure::Results;

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
