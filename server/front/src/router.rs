//! Which service a call is for.

use std::{
    convert::Infallible,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{body::Body, codegen::BoxFuture, server::NamedService};
use tower::Service;

use crate::{layers::answer, status::Failure};

type Answer = BoxFuture<Response<Body>, Infallible>;
type Handler = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// The services of a core, the busiest first. There are so few that a list is the quickest map.
#[derive(Clone)]
pub(crate) struct Router {
    services: Arc<[Route]>,
}

impl Router {
    /// A router of these services.
    pub(crate) fn new(services: impl IntoIterator<Item = Route>) -> Self {
        Self { services: services.into_iter().collect() }
    }
}

/// A service under its name.
pub(crate) struct Route {
    service: &'static str,
    handler: Handler,
}

/// The route to a service.
pub(crate) fn route<S>(service: S) -> Route
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
    S: NamedService + Clone + Send + Sync + 'static,
{
    Route { service: S::NAME, handler: Box::new(move |request| service.clone().call(request)) }
}

impl Service<Request<Body>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        match self.services.iter().find(|route| route.service == name) {
            Some(route) => (route.handler)(request),
            None => Box::pin(ready(Ok(answer(Failure::UnknownCall)))),
        }
    }
}
