//! The connections to Inrush, and which of them a call takes.

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
    grpc_clients::{MessageSizes, Stubs},
    round_robin::Rotation,
};

/// How long an endpoint that could not be reached is passed over while others can be. Short, because passing
/// over one that has come back costs capacity; long enough that few calls find out for the others.
const REST: Duration = Duration::from_secs(1);

/// Calls and watches have connections of their own: a server bounds the streams of a connection, and watches,
/// which last, would otherwise take all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A question and its answer.
    Call,
    /// A stream that lasts.
    Watch,
}

/// Where a client connects to, and how.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The URL, as it was given.
    pub(crate) name: String,
    /// How to connect to it.
    pub(crate) endpoint: transport::Endpoint,
    /// How long looking the name up, connecting and shaking hands may take together.
    pub(crate) connect_timeout: Duration,
}

impl Destination {
    /// Connects now; says what is in the way otherwise.
    async fn connect(&self) -> Result<Channel, String> {
        match tokio::time::timeout(self.connect_timeout, self.endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(format!("{}: {}", self.name, explain(&error))),
            Err(_elapsed) => Err(format!("{}: no connection within {:?}", self.name, self.connect_timeout)),
        }
    }
}

/// All connections of a client. They connect when first used, and again when they break.
#[derive(Debug)]
pub(crate) struct Channels {
    endpoints: Rotation<Arc<Endpoint>>,
    sizes: MessageSizes,
}

impl Channels {
    /// Connections that connect when first used.
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

    /// Connects to each endpoint once. One that can be reached is enough; the others may follow.
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
                tracing::warn!(problem, "cannot reach Inrush yet");
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

    /// One channel that somebody else made.
    pub(crate) fn over(name: &str, channel: Channel, sizes: MessageSizes) -> Self {
        let calls = Lines::new(Rotation::new(channel.clone(), Vec::new()));
        let watches = Lines::new(Rotation::new(channel, Vec::new()));
        let endpoint = Endpoint { name: name.into(), calls, watches, rest: Rest::default() };
        Self { endpoints: Rotation::new(Arc::new(endpoint), Vec::new()), sizes }
    }

    fn of(endpoints: impl IntoIterator<Item = Endpoint>, sizes: MessageSizes) -> Result<Self, ConnectError> {
        let mut endpoints = endpoints.into_iter().map(Arc::new);
        let first = endpoints.next().ok_or(ConnectError::NoEndpoint)?;
        Ok(Self { endpoints: Rotation::new(first, endpoints.collect()), sizes })
    }

    /// Chooses the endpoint that has least to do, rather not one that rests or the one that has just `failed`.
    pub(crate) fn pick(&self, purpose: Purpose, failed: Option<&Picked>) -> Picked {
        let endpoint = self.endpoints.least_by_key(|endpoint| {
            let has_failed = failed.is_some_and(|failed| Arc::ptr_eq(&failed.endpoint, endpoint));
            (has_failed || endpoint.rest.is_resting(), endpoint.lines(purpose).busy())
        });
        Picked { endpoint: Arc::clone(endpoint), purpose, sizes: self.sizes }
    }
}

/// One endpoint and the connections to it.
#[derive(Debug)]
struct Endpoint {
    name: String,
    calls: Lines,
    watches: Lines,
    rest: Rest,
}

impl Endpoint {
    fn new(destination: &Destination, first: Channel, connections: usize) -> Self {
        let connect_lazy = || destination.endpoint.connect_lazy();
        let further = || (1..connections).map(|_| connect_lazy()).collect();
        Self {
            name: destination.name.clone(),
            calls: Lines::new(Rotation::new(first, further())),
            watches: Lines::new(Rotation::new(connect_lazy(), further())),
            rest: Rest::default(),
        }
    }

    fn lines(&self, purpose: Purpose) -> &Lines {
        match purpose {
            Purpose::Call => &self.calls,
            Purpose::Watch => &self.watches,
        }
    }
}

/// The connections to one endpoint for one purpose.
#[derive(Debug)]
struct Lines {
    channels: Rotation<Channel>,
    busy: AtomicUsize,
}

impl Lines {
    fn new(channels: Rotation<Channel>) -> Self {
        Self { channels, busy: AtomicUsize::new(0) }
    }

    /// How many calls or watches are under way.
    fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }
}

/// Until when an endpoint is passed over.
#[derive(Debug)]
struct Rest {
    origin: Instant,
    until_millis: AtomicU64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { origin: Instant::now(), until_millis: AtomicU64::new(0) }
    }
}

impl Rest {
    fn begin(&self) {
        self.until_millis.store(self.millis(self.origin.elapsed() + REST), Ordering::Relaxed);
    }

    fn is_resting(&self) -> bool {
        let until = self.until_millis.load(Ordering::Relaxed);
        until > 0 && self.millis(self.origin.elapsed()) < until
    }

    fn millis(&self, duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The endpoint for an attempt.
#[derive(Debug)]
pub(crate) struct Picked {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
    sizes: MessageSizes,
}

impl Picked {
    /// The generated clients over the connection whose turn it is.
    pub(crate) fn stubs(&self) -> Stubs {
        Stubs::new(self.endpoint.lines(self.purpose).channels.next().clone(), self.sizes)
    }

    /// The largest request that may be sent.
    pub(crate) fn max_request_bytes(&self) -> usize {
        self.sizes.request
    }

    /// Counts the endpoint as busier until the result is dropped.
    pub(crate) fn occupy(&self) -> Busy {
        self.endpoint.lines(self.purpose).busy.fetch_add(1, Ordering::Relaxed);
        Busy { endpoint: Arc::clone(&self.endpoint), purpose: self.purpose }
    }

    /// The endpoint's URL, for messages.
    pub(crate) fn endpoint_name(&self) -> &str {
        &self.endpoint.name
    }

    /// Says that the endpoint could not be reached.
    pub(crate) fn rest(&self) {
        self.endpoint.rest.begin();
    }
}

/// One call or watch under way at an endpoint.
#[derive(Debug)]
pub(crate) struct Busy {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
}

impl Busy {
    /// The endpoint's URL, for messages.
    pub(crate) fn endpoint_name(&self) -> &str {
        &self.endpoint.name
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.endpoint.lines(self.purpose).busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: MessageSizes = MessageSizes { request: 1_000, reply: 1_000 };

    fn channels() -> Channels {
        let destinations = ["http://a", "http://b"].map(|name| Destination {
            name: name.to_owned(),
            endpoint: transport::Endpoint::from_static(name),
            connect_timeout: Duration::from_secs(1),
        });
        Channels::lazy(&destinations, 2, SIZES).unwrap()
    }

    #[tokio::test]
    async fn idle_endpoints_take_turns() {
        let channels = channels();
        let names: Vec<_> =
            (0..4).map(|_| channels.pick(Purpose::Call, None).endpoint_name().to_owned()).collect();
        assert_eq!(names, ["http://a", "http://b", "http://a", "http://b"]);
    }

    #[tokio::test]
    async fn a_busy_endpoint_is_spared_until_it_is_done() {
        let channels = channels();
        let picked = channels.pick(Purpose::Call, None);
        let busy = picked.occupy();
        let picks = |purpose| {
            let picks = (0..4).map(|_| channels.pick(purpose, None));
            picks.filter(|other| other.endpoint_name() == picked.endpoint_name()).count()
        };
        assert_eq!(picks(Purpose::Call), 0);
        assert_eq!(picks(Purpose::Watch), 2, "calls do not count as watches");
        drop(busy);
        assert_eq!(picks(Purpose::Call), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_endpoint_rests_and_comes_back() {
        let channels = channels();
        let dead = channels.pick(Purpose::Call, None);
        let name = dead.endpoint_name().to_owned();
        dead.rest();
        drop(dead);
        let picks = |channels: &Channels| {
            (0..4).filter(|_| channels.pick(Purpose::Call, None).endpoint_name() == name).count()
        };
        assert_eq!(picks(&channels), 0);
        tokio::time::advance(REST).await;
        assert_eq!(picks(&channels), 2);
    }

    #[tokio::test]
    async fn a_retry_rather_takes_another_endpoint() {
        let channels = channels();
        for _ in 0..5 {
            let failed = channels.pick(Purpose::Call, None);
            let retry = channels.pick(Purpose::Call, Some(&failed));
            assert_ne!(failed.endpoint_name(), retry.endpoint_name());
        }
    }
}
