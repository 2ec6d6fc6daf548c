//! `agent`: makes calls for a coordinator on another machine.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use inrush_transport::Error;
use tokio::{runtime::Builder, signal::ctrl_c};

use super::{console::print, outcome::Outcome};
use crate::agents::{AgentSettings, Token, serve};

/// The arguments of `agent`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50099")]
    listen: SocketAddr,

    /// File with the token that coordinators must send [default: the token in INRUSH_LOADTEST_TOKEN]. Required unless the
    /// address is a loopback address
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Serves coordinators until Control-C.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let settings =
        AgentSettings { listen: arguments.listen, token: Token::find(arguments.token_file.as_deref())? };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(
            format!("cannot start the agent: {error}"),
            "raise the limit of open files of this process",
        )
    })?;
    runtime.block_on(async {
        tokio::select! {
            served = serve(settings, |address| {
                // The agent serves also when nothing reads its output.
                let _ = print(format_args!("listening on {address}"));
            }) => served,
            _ = ctrl_c() => Ok(()),
        }
    })?;
    Ok(Outcome::Passed)
}
