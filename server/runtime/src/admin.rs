//! The HTTP server for operators and orchestrators. `/livez` says that the process runs, `/readyz` whether it can serve and
//! what is missing; `/metrics`, `/config` and `/log-level` are there where [`Admin`] was given what they tell. The same port
//! answers `grpc.health.v1` by HTTP/2 without TLS, for orchestrators that probe by gRPC.
//!
//! It is stopped by a token of its own and not by the process's wish to end, since a process that drains is still
//! watched.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

mod connection;
mod health;
mod log_level;
mod pages;
mod settings;

pub use self::settings::AdminSettings;

use crate::readiness::Readiness;
use crate::secret::Secret;
use crate::telemetry::{LogLevel, Metrics};

/// Connections served at once. Probes, one scraper and a few browsers need less; the rest waits to be accepted.
const MOST_CONNECTIONS: usize = 64;

/// How long requests in progress may take after the server was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The pause after a failed accept: when the process is out of file descriptors, trying again at once would only burn
/// the CPU that closes them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The calls of gRPC health checks.
const HEALTH_CALLS: &str = "/grpc.health.v1.Health/{call}";

/// The admin server before it runs.
#[derive(Debug)]
pub struct Admin {
    routes: Router,
}

impl Admin {
    /// A server with `/livez`, `/readyz` and `grpc.health.v1`, which tells the readiness of the process under the empty name
    /// and under these names of services, and under `liveness` that it lives.
    #[must_use]
    pub fn new(readiness: Readiness, services: &[&'static str]) -> Self {
        let health = health::service(readiness.clone(), services);
        Self { routes: pages::probes(readiness).route_service(HEALTH_CALLS, health) }
    }

    /// Adds `/metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        self.with(pages::metrics(metrics))
    }

    /// Adds `/config`, which shows this text to everybody: secrets have no place in it.
    #[must_use]
    pub fn with_configuration(self, text: String) -> Self {
        self.with(pages::configuration(text))
    }

    /// Adds `/log-level`, which shows the level to everybody, and has it changed by those with the token. Without a token
    /// nobody can.
    #[must_use]
    pub fn with_log_level(self, level: LogLevel, token: Option<Secret>) -> Self {
        self.with(log_level::page(level, token))
    }

    /// Adds routes.
    #[must_use]
    pub fn with(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Serves until stopped, then finishes the requests in progress, for two seconds at most.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, place)) => {
                    let served =
                        connection::serve(stream, self.routes.clone(), graceful.watcher(), stop.clone());
                    tokio::spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin server cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!("the admin server stopped with requests in progress");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    // First the place, then the connection: what finds no place stays in the kernel's queue.
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

#[cfg(test)]
mod tests;
