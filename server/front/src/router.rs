//! Which service a call is for.

use std::convert::Infallible;

use http::{Request, Response};
use tonic::{Status, body::Body, codegen::BoxFuture, server::NamedService};
use tower::Service;

use crate::call_error::CallError;

type Handler = Box<dyn Fn(Request<Body>) -> BoxFuture<Response<Body>, Infallible> + Send + Sync>;

/// The services of a core, the busiest first. There are so few that a list is the quickest map.
pub(crate) struct Router {
    services: Vec<Route>,
}

/// A service under its name.
pub(crate) struct Route {
    service: &'static str,
    handler: Handler,
}

/// The route to a service.
pub(crate) fn route<S>(service: S) -> Route
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
    S: NamedService + Clone + Send + Sync + 'static,
{
    Route { service: S::NAME, handler: Box::new(move |request| service.clone().call(request)) }
}

impl Router {
    /// A router of these services.
    pub(crate) fn new(services: impl IntoIterator<Item = Route>) -> Self {
        Self { services: services.into_iter().collect() }
    }

    /// Has a call answered by the service that it names.
    pub(crate) async fn call(&self, request: Request<Body>) -> Response<Body> {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        match self.services.iter().find(|route| route.service == name) {
            Some(route) => match (route.handler)(request).await {
                Ok(response) => response,
            },
            None => Status::from(CallError::UnknownCall).into_http(),
        }
    }
}
