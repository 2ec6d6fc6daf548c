//! The flags of commands that call a running Inrush.

use std::path::PathBuf;

use clap::Args;
use inrush_runtime::config::Flags;

use super::values::DurationArg;

/// The connection to Inrush, and the format of the output.
#[derive(Debug, Args)]
pub(crate) struct ClientFlags {
    /// URL of any front [env: INRUSH_SERVER] [default: http://127.0.0.1:50051].
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    server: Option<String>,

    /// File with a bearer token [env: INRUSH_CLIENT_TOKEN_FILE, or the token itself in INRUSH_CLIENT_TOKEN].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    token_file: Option<PathBuf>,

    /// PEM file with the CAs of the server's certificate [default: the CAs that the system trusts].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    ca_file: Option<PathBuf>,

    /// Deadline of a call, retries included [default: 10s].
    #[arg(long, global = true, value_name = "DURATION", help_heading = "Connection")]
    timeout: Option<DurationArg>,

    /// Print JSON.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
}

impl ClientFlags {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        Flags::new()
            .set("server", "--server", self.server.as_ref())
            .set("client.token_file", "--token-file", self.token_file.as_ref())
            .set("client.ca_file", "--ca-file", self.ca_file.as_ref())
            .set(
                "client.timeout",
                "--timeout",
                self.timeout.map(|span| humantime::format_duration(span.0).to_string()),
            )
    }
}
