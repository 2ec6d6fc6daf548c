//! The connections to Inrush, and the choice of an endpoint for a call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;
use tonic::transport::{self, Channel};

use crate::{
    connect_error::ConnectError,
    error_chain::explain,
    grpc_clients::{GrpcClients, MessageSizes},
    round_robin::RoundRobin,
};

/// How long an unreachable endpoint is avoided while others can be reached. Short, since avoiding one that
/// has recovered costs capacity; long enough that few calls try it in vain.
const COOLDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Calls and watches have separate connections: a server limits the streams of a connection, and long-lived
/// watches would otherwise use all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A unary call.
    Call,
    /// A long-lived stream.
    Watch,
}

/// An endpoint to connect to.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The URL as given.
    pub(crate) name: String,
    /// How to connect.
    pub(crate) endpoint: transport::Endpoint,
    /// The timeout of name lookup, connect and handshake together.
    pub(crate) connect_timeout: Duration,
}

impl Destination {
    /// Connects now; the error is the reason as text.
    async fn connect(&self) -> Result<Channel, String> {
        match tokio::time::timeout(self.connect_timeout, self.endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(format!("{}: {}", self.name, explain(&error))),
            Err(_elapsed) => Err(format!("{}: no connection within {:?}", self.name, self.connect_timeout)),
        }
    }
}

/// All connections of a client. They connect on first use and reconnect when they break.
#[derive(Debug)]
pub(crate) struct Endpoints {
    endpoints: RoundRobin<Arc<Endpoint>>,
    sizes: MessageSizes,
}

impl Endpoints {
    /// Connections that connect on first use.
    pub(crate) fn lazy(
        destinations: &[Destination],
        connections: usize,
        sizes: MessageSizes,
    ) -> Result<Self, ConnectError> {
        let endpoints = destinations.iter().map(|destination| {
            let first = destination.endpoint.connect_lazy();
            Endpoint::new(destination, first, connections)
        });
        Self::of(endpoints, sizes)
    }

    /// Connects to each endpoint once. One that can be reached is enough; the others connect later.
    pub(crate) async fn connect(
        destinations: &[Destination],
        connections: usize,
        sizes: MessageSizes,
    ) -> Result<Self, ConnectError> {
        let attempts = join_all(destinations.iter().map(Destination::connect)).await;
        let mut failures = Vec::new();
        let mut endpoints = Vec::with_capacity(destinations.len());
        for (destination, attempt) in destinations.iter().zip(attempts) {
            let first = attempt.unwrap_or_else(|problem| {
                tracing::warn!(problem, "endpoint unreachable; retrying");
                failures.push(problem);
                destination.endpoint.connect_lazy()
            });
            endpoints.push(Endpoint::new(destination, first, connections));
        }
        if failures.len() == destinations.len() {
            return Err(ConnectError::Unreachable { problems: failures.join("; ") });
        }
        Self::of(endpoints, sizes)
    }

    /// A channel made by the caller.
    pub(crate) fn over(name: &str, channel: Channel, sizes: MessageSizes) -> Self {
        let calls = ConnectionPool::new(RoundRobin::new(channel.clone(), Vec::new()));
        let watches = ConnectionPool::new(RoundRobin::new(channel, Vec::new()));
        let endpoint = Endpoint { name: name.into(), calls, watches, cooldown: Cooldown::default() };
        Self { endpoints: RoundRobin::new(Arc::new(endpoint), Vec::new()), sizes }
    }

    fn of(endpoints: impl IntoIterator<Item = Endpoint>, sizes: MessageSizes) -> Result<Self, ConnectError> {
        let mut endpoints = endpoints.into_iter().map(Arc::new);
        let first = endpoints.next().ok_or(ConnectError::NoEndpoint)?;
        Ok(Self { endpoints: RoundRobin::new(first, endpoints.collect()), sizes })
    }

    /// Selects the endpoint with the fewest calls in flight. One that is cooling down or has just `failed`
    /// comes last.
    pub(crate) fn select(&self, purpose: Purpose, failed: Option<&SelectedEndpoint>) -> SelectedEndpoint {
        let endpoint = self.endpoints.min_by_key(|endpoint| {
            let has_failed = failed.is_some_and(|failed| Arc::ptr_eq(&failed.endpoint, endpoint));
            (has_failed || endpoint.cooldown.is_active(), endpoint.pool(purpose).in_flight())
        });
        SelectedEndpoint { endpoint: Arc::clone(endpoint), purpose, sizes: self.sizes }
    }
}

/// One endpoint and its connections.
#[derive(Debug)]
struct Endpoint {
    name: String,
    calls: ConnectionPool,
    watches: ConnectionPool,
    cooldown: Cooldown,
}

impl Endpoint {
    fn new(destination: &Destination, first: Channel, connections: usize) -> Self {
        let connect_lazy = || destination.endpoint.connect_lazy();
        let further = || (1..connections).map(|_| connect_lazy()).collect();
        Self {
            name: destination.name.clone(),
            calls: ConnectionPool::new(RoundRobin::new(first, further())),
            watches: ConnectionPool::new(RoundRobin::new(connect_lazy(), further())),
            cooldown: Cooldown::default(),
        }
    }

    fn pool(&self, purpose: Purpose) -> &ConnectionPool {
        match purpose {
            Purpose::Call => &self.calls,
            Purpose::Watch => &self.watches,
        }
    }
}

/// The connections to one endpoint for one purpose.
#[derive(Debug)]
struct ConnectionPool {
    channels: RoundRobin<Channel>,
    in_flight: AtomicUsize,
}

impl ConnectionPool {
    fn new(channels: RoundRobin<Channel>) -> Self {
        Self { channels, in_flight: AtomicUsize::new(0) }
    }

    /// The number of calls or watches in flight.
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// The time until which an endpoint is avoided.
#[derive(Debug)]
struct Cooldown {
    origin: Instant,
    until_millis: AtomicU64,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self { origin: Instant::now(), until_millis: AtomicU64::new(0) }
    }
}

impl Cooldown {
    fn start(&self) {
        self.until_millis.store(self.millis(self.origin.elapsed() + COOLDOWN_TIMEOUT), Ordering::Relaxed);
    }

    fn is_active(&self) -> bool {
        let until = self.until_millis.load(Ordering::Relaxed);
        until > 0 && self.millis(self.origin.elapsed()) < until
    }

    fn millis(&self, duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The endpoint selected for an attempt.
#[derive(Debug)]
pub(crate) struct SelectedEndpoint {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
    sizes: MessageSizes,
}

impl SelectedEndpoint {
    /// The generated clients over the next connection.
    pub(crate) fn clients(&self) -> GrpcClients {
        GrpcClients::new(self.endpoint.pool(self.purpose).channels.next().clone(), self.sizes)
    }

    /// The maximum size of a request.
    pub(crate) fn max_request_bytes(&self) -> usize {
        self.sizes.request
    }

    /// Counts a call as in flight until the guard is dropped.
    pub(crate) fn start_call(&self) -> InFlightGuard {
        self.endpoint.pool(self.purpose).in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard { endpoint: Arc::clone(&self.endpoint), purpose: self.purpose }
    }

    /// The URL of the endpoint, for messages.
    pub(crate) fn endpoint_name(&self) -> &str {
        &self.endpoint.name
    }

    /// The endpoint could not be reached: avoids it for a while.
    pub(crate) fn start_cooldown(&self) {
        self.endpoint.cooldown.start();
    }
}

/// A call or watch in flight at an endpoint.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
}

impl InFlightGuard {
    /// The URL of the endpoint, for messages.
    pub(crate) fn endpoint_name(&self) -> &str {
        &self.endpoint.name
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.endpoint.pool(self.purpose).in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: MessageSizes = MessageSizes { request: 1_000, reply: 1_000 };

    fn endpoints() -> Endpoints {
        let destinations = ["http://a", "http://b"].map(|name| Destination {
            name: name.to_owned(),
            endpoint: transport::Endpoint::from_static(name),
            connect_timeout: Duration::from_secs(1),
        });
        Endpoints::lazy(&destinations, 2, SIZES).unwrap()
    }

    #[tokio::test]
    async fn idle_endpoints_take_turns() {
        let endpoints = endpoints();
        let names: Vec<_> =
            (0..4).map(|_| endpoints.select(Purpose::Call, None).endpoint_name().to_owned()).collect();
        assert_eq!(names, ["http://a", "http://b", "http://a", "http://b"]);
    }

    #[tokio::test]
    async fn an_endpoint_with_a_call_in_flight_is_not_selected() {
        let endpoints = endpoints();
        let selected = endpoints.select(Purpose::Call, None);
        let in_flight = selected.start_call();
        let picks = |purpose| {
            let picks = (0..4).map(|_| endpoints.select(purpose, None));
            picks.filter(|other| other.endpoint_name() == selected.endpoint_name()).count()
        };
        assert_eq!(picks(Purpose::Call), 0);
        assert_eq!(picks(Purpose::Watch), 2, "calls do not count as watches");
        drop(in_flight);
        assert_eq!(picks(Purpose::Call), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_endpoint_is_avoided_during_its_cooldown() {
        let endpoints = endpoints();
        let unreachable = endpoints.select(Purpose::Call, None);
        let name = unreachable.endpoint_name().to_owned();
        unreachable.start_cooldown();
        drop(unreachable);
        let picks = |endpoints: &Endpoints| {
            (0..4).filter(|_| endpoints.select(Purpose::Call, None).endpoint_name() == name).count()
        };
        assert_eq!(picks(&endpoints), 0);
        tokio::time::advance(COOLDOWN_TIMEOUT).await;
        assert_eq!(picks(&endpoints), 2);
    }

    #[tokio::test]
    async fn a_retry_selects_another_endpoint() {
        let endpoints = endpoints();
        for _ in 0..5 {
            let failed = endpoints.select(Purpose::Call, None);
            let retry = endpoints.select(Purpose::Call, Some(&failed));
            assert_ne!(failed.endpoint_name(), retry.endpoint_name());
        }
    }
}
