//! The flags of `call`, in the groups of its help. Keys of the configuration file have the same names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inrush_report::Format;
use serde::{Deserialize, Serialize};

use super::text::{ImportPaths, JsonText};
use crate::{cli::byte_size::ByteSize, go_duration::GoDuration};

/// The method and its messages.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Method and messages")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Input {
    /// Method to call: package.Service/Method or package.Service.Method
    #[arg(long, value_name = "METHOD")]
    pub call: Option<String>,

    /// Definition of the service; without this and --protoset, server reflection is used
    #[arg(long, value_name = "FILE.proto")]
    pub proto: Option<String>,

    /// Compiled definitions (a FileDescriptorSet); --proto takes precedence
    #[arg(long, value_name = "FILE")]
    pub protoset: Option<String>,

    /// Folders to search for imports, separated by commas; the current folder and that of --proto are always searched
    #[arg(short = 'i', long, value_name = "FOLDERS")]
    pub import_paths: Option<ImportPaths>,

    /// Message as JSON, or a list of messages; @ reads it from standard input
    #[arg(short, long, value_name = "JSON")]
    pub data: Option<JsonText>,

    /// File with the message as JSON
    #[arg(short = 'D', long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,

    /// Read the encoded message, or several with length prefixes, from standard input
    #[arg(short, long)]
    pub binary: Option<bool>,

    /// File with the encoded message, or several with length prefixes
    #[arg(short = 'B', long, value_name = "FILE")]
    pub binary_file: Option<PathBuf>,

    /// Metadata as a JSON object, or a list of objects that are used in turn
    #[arg(short, long, value_name = "JSON")]
    pub metadata: Option<JsonText>,

    /// File with the metadata as JSON
    #[arg(short = 'M', long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// Metadata of server reflection calls, as JSON
    #[arg(long, value_name = "JSON")]
    pub reflect_metadata: Option<JsonText>,

    /// Compress messages with gzip
    #[arg(short, long)]
    pub enable_compression: Option<bool>,

    /// Disable functions such as {{newUUID}} in templates
    #[arg(long)]
    pub disable_template_functions: Option<bool>,

    /// Send {{…}} as it is
    #[arg(long)]
    pub disable_template_data: Option<bool>,
}

/// TLS and the identity of the client.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Security")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Security {
    /// Trusted certificate authorities, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Certificate of the client, in PEM; requires --key
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// Private key of the client, in PEM; requires --cert
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Name in the certificate of the server [default: the host]
    #[arg(long, value_name = "NAME")]
    pub cname: Option<String>,

    /// Accept any certificate
    #[arg(long = "skipTLS")]
    #[serde(rename = "skipTLS")]
    pub skip_tls: Option<bool>,

    /// Call in plain text, without TLS
    #[arg(long)]
    pub insecure: Option<bool>,

    /// The :authority of every call [default: the host and port]
    #[arg(long, value_name = "NAME")]
    pub authority: Option<String>,
}

/// How a rate or a number of workers changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Schedule {
    /// Not at all
    #[default]
    Const,
    /// In steps
    Step,
    /// Linearly
    Line,
}

/// What happens to calls in flight at the end of the duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StopAction {
    /// They are cancelled and count as failed
    #[default]
    Close,
    /// The run waits for them
    Wait,
    /// They are cancelled and not counted
    Ignore,
}

/// Calls, their rate, and their duration.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Load")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Load {
    /// Number of calls; 0: until it is interrupted [default: 200]
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub total: Option<u64>,

    /// Calls per second, at planned times, however slow the answers are
    #[arg(short, long, value_name = "NUMBER")]
    pub rps: Option<u32>,

    /// Duration of the run; overrides --total
    #[arg(short = 'z', long, value_name = "DURATION")]
    pub duration: Option<GoDuration>,

    /// Maximum duration of the run, if --total is not reached before
    #[arg(short = 'x', long, value_name = "DURATION")]
    pub max_duration: Option<GoDuration>,

    /// What happens to calls in flight at the end of the duration [default: close]
    #[arg(long, value_enum, ignore_case = true, value_name = "ACTION")]
    pub duration_stop: Option<StopAction>,

    /// Time limit of each call; 0: none [default: 20s]
    #[arg(short = 't', long, value_name = "DURATION")]
    pub timeout: Option<GoDuration>,

    /// Do not wait for an answer before the next call
    #[arg(long)]
    #[serde(rename = "async")]
    pub r#async: Option<bool>,

    /// How the rate changes [default: const]
    #[arg(long, value_enum, ignore_case = true, value_name = "SCHEDULE")]
    pub load_schedule: Option<Schedule>,

    /// Calls per second at the start of a step or line schedule
    #[arg(long, value_name = "NUMBER")]
    pub load_start: Option<u32>,

    /// Change per step, or per second of a line; may be negative
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub load_step: Option<i32>,

    /// Final number of calls per second
    #[arg(long, value_name = "NUMBER")]
    pub load_end: Option<u32>,

    /// Duration of each step
    #[arg(long, value_name = "DURATION")]
    pub load_step_duration: Option<GoDuration>,

    /// Time of the last change of the rate
    #[arg(long, value_name = "DURATION")]
    pub load_max_duration: Option<GoDuration>,
}

/// Workers, each of which waits for an answer before its next call.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Workers of a closed loop")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Concurrency {
    /// Number of workers [default: 50]
    #[arg(short = 'c', long, value_name = "NUMBER")]
    pub concurrency: Option<u32>,

    /// How the number of workers changes [default: const]
    #[arg(long, value_enum, ignore_case = true, value_name = "SCHEDULE")]
    pub concurrency_schedule: Option<Schedule>,

    /// Number of workers at the start of a step or line schedule [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub concurrency_start: Option<u32>,

    /// Final number of workers
    #[arg(long, value_name = "NUMBER")]
    pub concurrency_end: Option<u32>,

    /// Change per step, or per second of a line; may be negative [default: 1]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub concurrency_step: Option<i32>,

    /// Duration of each step
    #[arg(long, value_name = "DURATION")]
    pub concurrency_step_duration: Option<GoDuration>,

    /// Time of the last change of the number of workers
    #[arg(long, value_name = "DURATION")]
    pub concurrency_max_duration: Option<GoDuration>,
}

/// How streams are sent and received.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Streams")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Streams {
    /// Time between two messages of a call
    #[arg(long, value_name = "DURATION")]
    pub stream_interval: Option<GoDuration>,

    /// Duration after which the client ends a call
    #[arg(long, value_name = "DURATION")]
    pub stream_call_duration: Option<GoDuration>,

    /// Number of messages after which the client ends a call; the data is repeated as needed
    #[arg(long, value_name = "NUMBER")]
    pub stream_call_count: Option<u32>,

    /// Evaluate templates for every message instead of once per call
    #[arg(long)]
    pub stream_dynamic_messages: Option<bool>,
}

/// The report.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Report")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Output {
    /// File for the report [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Format of the report [default: summary]
    #[arg(short = 'O', long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Exclude this number of first calls
    #[arg(long = "skipFirst", value_name = "NUMBER")]
    #[serde(rename = "skipFirst")]
    pub skip_first: Option<u64>,

    /// Include failed calls in the latencies
    #[arg(long)]
    pub count_errors: Option<bool>,

    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Tags of the run, as a JSON object of strings
    #[arg(long, value_name = "JSON")]
    pub tags: Option<JsonText>,

    /// File for a log of the run, one line of JSON per event
    #[arg(long, value_name = "FILE")]
    pub debug: Option<PathBuf>,
}

/// Connections and threads.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Connections")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Connection {
    /// Number of connections [default: one per thread]
    #[arg(long, value_name = "NUMBER")]
    pub connections: Option<u32>,

    /// Time limit for connecting [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub connect_timeout: Option<GoDuration>,

    /// Interval of keepalive pings [default: none]
    #[arg(long, value_name = "DURATION")]
    pub keepalive: Option<GoDuration>,

    /// Distribution of connections over the addresses of a name: pick_first or round_robin [default: pick_first]
    #[arg(long, value_name = "STRATEGY")]
    pub lb_strategy: Option<String>,

    /// Maximum size of received messages, such as 42MB [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub max_recv_message_size: Option<ByteSize>,

    /// Maximum size of sent messages, such as 42MB [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub max_send_message_size: Option<ByteSize>,

    /// Number of threads [default: one per core]
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<u32>,
}

/// Settings that ghz does not have.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Beyond ghz")]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Extensions {
    /// Let workers wait for their answers although there is a rate, as ghz does; this hides how long a slow server makes
    /// callers wait
    #[arg(long)]
    pub closed_loop: Option<bool>,

    /// Maximum number of calls in flight; beyond it, due calls count as unsent [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    pub max_in_flight: Option<u32>,

    /// Duration of a warm-up, whose calls are not counted
    #[arg(long, value_name = "DURATION")]
    pub warm_up: Option<GoDuration>,

    /// Maximum number of single calls for formats that list them: an even sample of a longer run [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    pub details: Option<u32>,

    /// Also write the report as one page of HTML
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Disable the live view
    #[arg(long)]
    pub quiet: Option<bool>,

    /// Machines that make the calls together, as host:port of their `inrush-loadtest agent`
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub agents: Option<Vec<String>>,

    /// File with the token of the agents [default: the token in INRUSH_LOADTEST_TOKEN, if it is set]
    #[arg(long, value_name = "FILE")]
    pub agents_token_file: Option<PathBuf>,
}
