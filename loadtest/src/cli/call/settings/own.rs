//! What ghz does not have.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::go_duration::GoDuration;

/// Settings of this tool's own.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Beyond ghz")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Own {
    /// Let workers wait for their answers although there is a rate, as ghz does: hides how long a slow server makes
    /// callers wait
    #[arg(long)]
    pub closed_loop: Option<bool>,

    /// Calls in flight beyond which a due call is not sent, and counted as unsent [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    pub max_in_flight: Option<u32>,

    /// Make calls for so long before any are counted
    #[arg(long, value_name = "DURATION")]
    pub warm_up: Option<GoDuration>,

    /// How many single calls to keep for formats that list them: an even sample of a longer run [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    pub details: Option<u32>,

    /// Write the report as one page of HTML as well
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Show nothing while the run goes on
    #[arg(long)]
    pub quiet: Option<bool>,

    /// Machines that make the calls together, as host:port of their `inrush-loadtest agent`
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub agents: Option<Vec<String>>,

    /// File with the token of those agents; without it INRUSH_LOADTEST_TOKEN holds the token, if they want one
    #[arg(long, value_name = "FILE")]
    pub agents_token_file: Option<PathBuf>,
}
