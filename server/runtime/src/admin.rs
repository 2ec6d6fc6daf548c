//! The HTTP server for operators and orchestrators: `/livez` (the process runs), `/readyz` (it can serve, or what
//! is missing), `/config`, and routes that others add, such as `/metrics`. The same port serves `grpc.health.v1`
//! without TLS.
//!
//! It has a stop token of its own, since it goes on while the process drains.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::post_service;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

mod connection;
mod health;
mod pages;
mod settings;

pub use self::settings::AdminSettings;

use crate::readiness::Readiness;

/// Maximum number of connections. Probes, one scraper and a few browsers need fewer; further ones wait to be
/// accepted.
const MAX_CONNECTIONS: usize = 64;

/// How long requests in progress may take after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The delay after a failed accept: a process that is out of file descriptors would otherwise retry without end.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The methods of the health service.
const HEALTH_CALLS: &str = "/grpc.health.v1.Health/{call}";

/// The admin server before it runs.
#[derive(Debug)]
pub struct Admin {
    routes: Router,
}

impl Admin {
    /// A server with `/livez`, `/readyz` and `grpc.health.v1`. The health of the empty name and of these services
    /// is the readiness of the process; that of `liveness` is always SERVING.
    #[must_use]
    pub fn new(readiness: Readiness, services: &[&'static str]) -> Self {
        let health = post_service(health::service(readiness.clone(), services));
        let health = health.route_layer(from_fn(health::require_grpc));
        Self { routes: pages::probes(readiness).route(HEALTH_CALLS, health) }
    }

    /// Adds `/config`, which shows this text to every client: it must not contain secrets.
    #[must_use]
    pub fn with_configuration(self, text: String) -> Self {
        self.with(pages::configuration(text))
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
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &permits) => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let served =
                        connection::serve(stream, self.routes.clone(), graceful.watcher(), stop.clone());
                    tokio::spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "admin server cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!("admin server stopped with requests in progress");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    // The permit first: connections beyond the limit stay in the kernel's queue.
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

#[cfg(test)]
mod tests;
