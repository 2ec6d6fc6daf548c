//! A bound on the calls that one core works on at once.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tower::Service;

use super::{
    CallCounts, answer,
    guarded::{Guard, Guarded},
};
use crate::status::Failure;

/// Whoever checks whether a busy node is alive must not be told that it is not.
const NEVER_SHED: &str = "/grpc.health.v1.Health/";

/// The bound, for all connections of a core together. Clones share it.
#[derive(Clone)]
pub(super) struct LoadShed {
    in_flight: Arc<Semaphore>,
    counts: CallCounts,
}

impl LoadShed {
    pub(super) fn new(max_in_flight: usize, counts: CallCounts) -> Self {
        Self { in_flight: Arc::new(Semaphore::new(max_in_flight)), counts }
    }

    pub(super) fn around<S>(self, inner: S) -> Shedding<S> {
        Shedding { inner, shed: self }
    }
}

/// Answers calls beyond the bound with UNAVAILABLE.
#[derive(Clone)]
pub(super) struct Shedding<S> {
    inner: S,
    shed: LoadShed,
}

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Shedding<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, Guarded<S::Future, Place>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let place = match Arc::clone(&self.shed.in_flight).try_acquire_owned() {
            Ok(permit) => Place { _permit: Some(permit) },
            Err(_) if request.uri().path().starts_with(NEVER_SHED) => Place { _permit: None },
            Err(_) => {
                self.shed.counts.count_shed();
                return Either::Left(ready(Ok(answer(Failure::Overloaded))));
            }
        };
        Either::Right(Guarded::new(self.inner.call(request), place))
    }
}

/// A call's place among those in flight; free again when this is dropped.
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Guard for Place {
    fn finished(self) {}
}
