//! How the server is connected to.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{cli::byte_size::ByteSize, go_duration::GoDuration};

/// Connections and threads.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Connections")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Connection {
    /// How many connections [default: one for each thread]
    #[arg(long, value_name = "NUMBER")]
    pub connections: Option<u32>,

    /// How long connecting may take [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub connect_timeout: Option<GoDuration>,

    /// How often to ping a connection [default: never]
    #[arg(long, value_name = "DURATION")]
    pub keepalive: Option<GoDuration>,

    /// How connections are spread over the addresses of a name: pick_first or round_robin [default: pick_first]
    #[arg(long, value_name = "STRATEGY")]
    pub lb_strategy: Option<String>,

    /// Longest answer taken in, such as 42MB [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub max_recv_message_size: Option<ByteSize>,

    /// Longest message sent, such as 42MB [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub max_send_message_size: Option<ByteSize>,

    /// How many threads [default: one for each core]
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<u32>,
}
