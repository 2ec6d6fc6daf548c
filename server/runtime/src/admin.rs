//! The HTTP server for operators and orchestrators: `/livez` says that the process runs, `/readyz` whether it can serve
//! and what is missing. Services add routes of their own.
//!
//! It is stopped by a token of its own and not by the process's wish to end, since a process that drains is still
//! watched.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::readiness::{Readiness, Report};

/// Connections served at once. Probes, one scraper and a few browsers need less; the rest waits to be accepted.
const MOST_CONNECTIONS: usize = 64;

/// How long a client may take to send a request's head, and to stay silent between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// How long requests in progress may take after the server was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The pause after a failed accept: when the process is out of file descriptors, trying again at once would only burn
/// the CPU that closes them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin server before it runs.
#[derive(Debug)]
pub struct Admin {
    routes: Router,
}

impl Admin {
    /// A server with `/livez` and `/readyz`.
    #[must_use]
    pub fn new(readiness: Readiness) -> Self {
        let routes = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(readyz).with_state(readiness));
        Self { routes }
    }

    /// Adds routes.
    #[must_use]
    pub fn with(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Serves until stopped, then finishes the requests in progress, for two seconds at most.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let connections = Connections { routes: self.routes, graceful: GracefulShutdown::new() };
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, place)) => connections.serve(stream, place),
                Err(error) => {
                    tracing::warn!(%error, "the admin server cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(STOP_GRACE, connections.graceful.shutdown()).await.is_err() {
            tracing::warn!("the admin server stopped with requests in progress");
        }
    }
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
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

struct Connections {
    routes: Router,
    graceful: GracefulShutdown,
}

impl Connections {
    fn serve(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.routes.clone()));
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an admin connection broke");
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    impl Running {
        async fn start(admin: Admin) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stop = CancellationToken::new();
            let task = tokio::spawn(admin.run(listener, stop.clone()));
            Self { address, stop, task }
        }

        async fn get(&self, path: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    }

    #[tokio::test]
    async fn tells_that_it_lives_and_what_it_lacks() {
        let readiness = Readiness::new();
        let store = readiness.require("store", "connection refused");
        let running = Running::start(Admin::new(readiness.clone())).await;
        assert!(running.get("/livez").await.starts_with("HTTP/1.1 200"));

        let answer = running.get("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(
            answer.ends_with(r#"{"ready":false,"draining":false,"missing":{"store":"connection refused"}}"#),
            "{answer}"
        );

        store.ready();
        let answer = running.get("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

        readiness.start_draining();
        assert!(running.get("/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(running.get("/livez").await.starts_with("HTTP/1.1 200"), "a draining process still lives");
    }

    #[tokio::test]
    async fn serves_the_routes_of_services() {
        let admin = Admin::new(Readiness::new()).with(Router::new().route("/sales", get(async || "phone\n")));
        let running = Running::start(admin).await;
        assert!(running.get("/sales").await.ends_with("phone\n"));
        assert!(running.get("/elsewhere").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn stops_without_waiting_for_idle_connections() {
        let running = Running::start(Admin::new(Readiness::new())).await;
        let mut idle = TcpStream::connect(running.address).await.unwrap();
        idle.write_all(b"GET /livez HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
        assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
        running.stop.cancel();
        running.task.await.unwrap();
        assert_eq!(idle.read(&mut [0; 1024]).await.unwrap(), 0, "the connection is closed");
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_a_place() {
        let running = Running::start(Admin::new(Readiness::new())).await;
        let mut open = Vec::new();
        for _ in 0..MOST_CONNECTIONS {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            open.push(stream);
        }
        let waiting = running.get("/livez");
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        open.pop();
        assert!(waiting.await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() {
        let running = Running::start(Admin::new(Readiness::new())).await;
        let answer = running.get(&format!("/{}", "x".repeat(LONGEST_HEAD))).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}
