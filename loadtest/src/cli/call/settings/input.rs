//! What is called, and what is sent.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::text::{ImportPaths, JsonText};
use crate::go_duration::GoDuration;

/// The method and its messages.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Method and messages")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Input {
    /// Method to call: package.Service/Method or package.Service.Method
    #[arg(long, value_name = "METHOD")]
    pub call: Option<String>,

    /// Definition of the service; with neither this nor --protoset the server is asked (reflection)
    #[arg(long, value_name = "FILE.proto")]
    pub proto: Option<String>,

    /// Compiled definitions (a FileDescriptorSet); --proto takes precedence
    #[arg(long, value_name = "FILE")]
    pub protoset: Option<String>,

    /// Folders to look for imports in, separated by commas; the current one and that of --proto are looked into anyway
    #[arg(short = 'i', long, value_name = "FOLDERS")]
    pub import_paths: Option<ImportPaths>,

    /// Message as JSON, or a list of them; @ reads it from standard input
    #[arg(short, long, value_name = "JSON")]
    pub data: Option<JsonText>,

    /// File with the message as JSON
    #[arg(short = 'D', long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,

    /// Read the encoded message, or several with their lengths in front, from standard input
    #[arg(short, long)]
    pub binary: Option<bool>,

    /// File with the encoded message, or several with their lengths in front
    #[arg(short = 'B', long, value_name = "FILE")]
    pub binary_file: Option<PathBuf>,

    /// Metadata as a JSON object, or a list of them
    #[arg(short, long, value_name = "JSON")]
    pub metadata: Option<JsonText>,

    /// File with the metadata as JSON
    #[arg(short = 'M', long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// Metadata as JSON, for asking the server about its methods
    #[arg(long, value_name = "JSON")]
    pub reflect_metadata: Option<JsonText>,

    /// Compress messages with gzip
    #[arg(short, long)]
    pub enable_compression: Option<bool>,

    /// Take templates without functions such as {{newUUID}}
    #[arg(long)]
    pub disable_template_functions: Option<bool>,

    /// Send {{…}} as it is
    #[arg(long)]
    pub disable_template_data: Option<bool>,
}

/// How streams are sent and received.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Streams")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Streams {
    /// Time between two messages of a call
    #[arg(long, value_name = "DURATION")]
    pub stream_interval: Option<GoDuration>,

    /// When the client ends a call
    #[arg(long, value_name = "DURATION")]
    pub stream_call_duration: Option<GoDuration>,

    /// After how many messages the client ends a call; data is used again from the start
    #[arg(long, value_name = "NUMBER")]
    pub stream_call_count: Option<u32>,

    /// Evaluate templates for every message, not once for each call
    #[arg(long)]
    pub stream_dynamic_messages: Option<bool>,
}
