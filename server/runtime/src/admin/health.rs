//! `grpc.health.v1` for orchestrators that probe by gRPC: what `/livez` and `/readyz` say, in its words.

use std::pin::Pin;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::readiness::{Readiness, Report};

/// Asked for by this name, health is whether the process lives and not whether it can serve.
pub(super) const LIVENESS: &str = "liveness";

/// The service that tells the readiness of the process, whichever of these names is asked for; the empty name is the process as
/// a whole.
pub(super) fn service(readiness: Readiness, names: &[&'static str]) -> HealthServer<impl Health + use<>> {
    HealthServer::new(ProcessHealth { readiness, names: names.to_vec() })
}

struct ProcessHealth {
    readiness: Readiness,
    names: Vec<&'static str>,
}

/// What a name stands for.
#[derive(Clone, Copy)]
enum Asked {
    Liveness,
    Readiness,
}

impl ProcessHealth {
    fn asked(&self, name: &str) -> Option<Asked> {
        match name {
            LIVENESS => Some(Asked::Liveness),
            "" => Some(Asked::Readiness),
            name => self.names.contains(&name).then_some(Asked::Readiness),
        }
    }
}

impl Asked {
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
        let asked = self
            .asked(name)
            .ok_or_else(|| Status::not_found(format!("there is no service `{name}` here")))?;
        Ok(Response::new(answer(asked.status(&self.readiness.report()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// A watch tells every change and ends when the process is about to.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let changes = self.readiness.follow();
        let watch = Watch { asked: self.asked(&request.get_ref().service), changes, told: None };
        Ok(Response::new(Box::pin(stream::unfold(watch, Watch::next))))
    }
}

struct Watch {
    /// None: a name that nobody has, which the protocol answers and does not refuse.
    asked: Option<Asked>,
    changes: watch::Receiver<Report>,
    told: Option<ServingStatus>,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        loop {
            let report = self.changes.borrow_and_update().clone();
            let status = self.asked.map_or(ServingStatus::ServiceUnknown, |asked| asked.status(&report));
            if self.told != Some(status) {
                self.told = Some(status);
                return Some((Ok(answer(status)), self));
            }
            if report.draining {
                return None;
            }
            self.changes.changed().await.ok()?;
        }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
