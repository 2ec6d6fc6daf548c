//! A small backend for a phone: HTTP and server-sent events in front, Inrush behind.
//!
//! ```text
//! cargo run -p inrush-client --example bff -- --inrush http://127.0.0.1:50051
//! ```
//!
//! Then open the page that it prints. A real backend takes the buyer from the session instead of the path;
//! everything else stays the same.

mod api;
mod backend;
mod events;
mod problem;
mod shapes;
mod trace;

#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use inrush_client::{Client, ClientSettings, TlsSettings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{filter::Targets, prelude::*};

/// A small backend for a phone in front of Inrush.
///
/// Serves a page that enqueues its visitor and shows the position live, and the HTTP interface below it. It
/// can start before Inrush does.
#[derive(Debug, Parser)]
#[command(name = "bff", version, after_help = HTTP_INTERFACE)]
struct Flags {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// URL of Inrush; repeat it to balance over several front nodes
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    inrush: Vec<String>,

    /// PEM file with the CA of Inrush's certificate; default: the system's root certificates
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// File with the bearer token for Inrush
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Deadline of a call to Inrush, retries included
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,

    /// Maximum number of watches; further ones are refused with Retry-After
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_watches: u32,
}

const HTTP_INTERFACE: &str = "\
HTTP interface:
  GET    /                             the page for the phone
  POST   /sales/{sale}/buyers/{buyer}  enqueue; the body may be {\"units\": 2, \"payload\": \"red\"}
  GET    /tickets/{ticket}             status of the ticket
  GET    /tickets/{ticket}/events      its changes as server-sent events; with ?sale=…&buyer=…&units=…&payload=… a ticket
                                       that the store has lost is restored
  DELETE /tickets/{ticket}             cancel the ticket

Log level: RUST_LOG, such as RUST_LOG=info,inrush_client=debug";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    start_logs();

    let client = Client::lazy(settings(&flags))?;
    let listener = TcpListener::bind(flags.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another address with --listen", flags.listen)
    })?;
    tracing::info!("open http://{}/", listener.local_addr()?);

    let stop = CancellationToken::new();
    let router = api::router(client, flags.max_watches, stop.clone());
    axum::serve(listener, router).with_graceful_shutdown(stopped(stop)).await?;
    Ok(())
}

fn start_logs() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let level: Targets = level.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let lines = tracing_subscriber::fmt::layer().with_ansi(io::stdout().is_terminal());
    tracing_subscriber::registry().with(lines).with(level).init();
}

fn settings(flags: &Flags) -> ClientSettings {
    let mut settings = ClientSettings::balanced(flags.inrush.iter().cloned())
        .user_agent("inrush-example-bff")
        .on_request(trace::propagate_trace)
        .call_deadline(Duration::from_secs(flags.deadline));
    if let Some(path) = &flags.ca_file {
        settings = settings.tls(TlsSettings::new().ca_file(path));
    }
    if let Some(path) = &flags.token_file {
        settings = settings.bearer_token_file(path);
    }
    settings
}

/// Waits for Ctrl-C and then ends the streams, which would otherwise keep the server running.
async fn stopped(stop: CancellationToken) {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "cannot wait for Ctrl-C; stop this process with a signal");
        std::future::pending::<()>().await;
    }
    tracing::info!("stopping");
    stop.cancel();
}
