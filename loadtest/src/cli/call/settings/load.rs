//! How much is called, and for how long.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::go_duration::GoDuration;

/// How a rate or a number of workers changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Schedule {
    /// It does not.
    #[default]
    Const,
    /// In steps.
    Step,
    /// Evenly.
    Line,
}

/// What becomes of calls in flight when the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum StopAction {
    /// They are cut off, and count as failed.
    #[default]
    Close,
    /// They may end.
    Wait,
    /// They are cut off, and do not count.
    Ignore,
}

/// Calls, their rate, and their time.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Load")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Load {
    /// How many calls to make; 0: until it is interrupted [default: 200]
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub total: Option<u64>,

    /// Calls per second: they are due at planned times, however slow the answers are
    #[arg(short, long, value_name = "NUMBER")]
    pub rps: Option<u32>,

    /// How long to call; --total does not matter then
    #[arg(short = 'z', long, value_name = "DURATION")]
    pub duration: Option<GoDuration>,

    /// How long to call at most, if --total is not reached before
    #[arg(short = 'x', long, value_name = "DURATION")]
    pub max_duration: Option<GoDuration>,

    /// What becomes of calls in flight when the time is over [default: close]
    #[arg(long, value_enum, ignore_case = true, value_name = "WHAT")]
    pub duration_stop: Option<StopAction>,

    /// How long each call may take; 0: for ever [default: 20s]
    #[arg(short = 't', long, value_name = "DURATION")]
    pub timeout: Option<GoDuration>,

    /// Do not wait for an answer before the next call
    #[arg(long)]
    #[serde(rename = "async")]
    pub r#async: Option<bool>,

    /// How the rate changes [default: const]
    #[arg(long, value_enum, ignore_case = true, value_name = "HOW")]
    pub load_schedule: Option<Schedule>,

    /// Calls per second at the start of a step or line schedule
    #[arg(long, value_name = "NUMBER")]
    pub load_start: Option<u32>,

    /// Added at every step, or during every second of a line; may be negative
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub load_step: Option<i32>,

    /// Calls per second where the rate stays
    #[arg(long, value_name = "NUMBER")]
    pub load_end: Option<u32>,

    /// How long each step lasts
    #[arg(long, value_name = "DURATION")]
    pub load_step_duration: Option<GoDuration>,

    /// When the rate stops changing
    #[arg(long, value_name = "DURATION")]
    pub load_max_duration: Option<GoDuration>,
}

/// How many workers call, each waiting for its answer before it calls again.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Workers, where there is no rate")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Concurrency {
    /// How many workers call [default: 50]
    #[arg(short = 'c', long, value_name = "NUMBER")]
    pub concurrency: Option<u32>,

    /// How the number of workers changes [default: const]
    #[arg(long, value_enum, ignore_case = true, value_name = "HOW")]
    pub concurrency_schedule: Option<Schedule>,

    /// How many workers at the start of a step or line schedule [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub concurrency_start: Option<u32>,

    /// How many workers at the end
    #[arg(long, value_name = "NUMBER")]
    pub concurrency_end: Option<u32>,

    /// Added at every step, or during every second of a line; may be negative [default: 1]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub concurrency_step: Option<i32>,

    /// How long each step lasts
    #[arg(long, value_name = "DURATION")]
    pub concurrency_step_duration: Option<GoDuration>,

    /// When the number of workers stops changing
    #[arg(long, value_name = "DURATION")]
    pub concurrency_max_duration: Option<GoDuration>,
}
