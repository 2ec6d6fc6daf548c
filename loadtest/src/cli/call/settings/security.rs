//! Whom to trust, and who to be.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

/// TLS.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Security")]
#[serde(rename_all = "kebab-case", default)]
pub(in super::super) struct Security {
    /// Authorities to trust, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Certificate of the client, in PEM; needs --key
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// Private key of the client, in PEM; needs --cert
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Name that the server's certificate must carry [default: the host]
    #[arg(long, value_name = "NAME")]
    pub cname: Option<String>,

    /// Take any certificate
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
