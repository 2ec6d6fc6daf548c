//! `grpc.health.v1`: liveness and readiness for orchestrators that probe by gRPC.

use std::pin::Pin;

use axum::extract::Request as HttpRequest;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response as HttpResponse};
use futures_util::{Stream, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::readiness::{Readiness, Report};

/// The health of this service name is liveness instead of readiness.
pub(super) const LIVENESS: &str = "liveness";

/// What the content type of every gRPC request begins with.
const GRPC: &[u8] = b"application/grpc";

/// The health service. The status of these names, and of the empty name, is the readiness of the process.
pub(super) fn service(readiness: Readiness, names: &[&'static str]) -> HealthServer<impl Health + use<>> {
    HealthServer::new(ProcessHealth { readiness, names: names.to_vec() })
}

/// Answers 415 to requests that are not gRPC: a web page can send any other content type without asking first.
pub(super) async fn require_grpc(request: HttpRequest, next: Next) -> HttpResponse {
    let content_type = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if content_type.is_some_and(|value| value.starts_with(GRPC)) {
        next.run(request).await
    } else {
        StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response()
    }
}

struct ProcessHealth {
    readiness: Readiness,
    names: Vec<&'static str>,
}

/// What the status of a name depends on.
#[derive(Clone, Copy)]
enum Probe {
    Liveness,
    Readiness,
}

impl ProcessHealth {
    fn probe(&self, name: &str) -> Option<Probe> {
        match name {
            LIVENESS => Some(Probe::Liveness),
            "" => Some(Probe::Readiness),
            name => self.names.contains(&name).then_some(Probe::Readiness),
        }
    }
}

impl Probe {
    const fn status(self, report: &Report) -> ServingStatus {
        match self {
            Self::Liveness => ServingStatus::Serving,
            Self::Readiness if report.ready => ServingStatus::Serving,
            Self::Readiness => ServingStatus::NotServing,
        }
    }
}

#[tonic::async_trait]
impl Health for ProcessHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        let probe = self.probe(name).ok_or_else(|| Status::not_found(format!("unknown service `{name}`")))?;
        Ok(Response::new(response(probe.status(&self.readiness.report()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// A watch sends every change, and ends when the process drains.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let changes = self.readiness.subscribe();
        let watch = Watch { probe: self.probe(&request.get_ref().service), changes, sent: None };
        Ok(Response::new(Box::pin(stream::unfold(watch, Watch::next))))
    }
}

struct Watch {
    /// `None`: an unknown name, for which the protocol requires a response and not an error.
    probe: Option<Probe>,
    changes: watch::Receiver<Report>,
    /// The status that was sent last.
    sent: Option<ServingStatus>,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        loop {
            let report = self.changes.borrow_and_update().clone();
            let status = self.probe.map_or(ServingStatus::ServiceUnknown, |probe| probe.status(&report));
            if self.sent != Some(status) {
                self.sent = Some(status);
                return Some((Ok(response(status)), self));
            }
            if report.draining {
                return None;
            }
            self.changes.changed().await.ok()?;
        }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
