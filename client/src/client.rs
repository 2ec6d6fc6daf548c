//! The client, and the retry loop of every call.

use std::{sync::Arc, time::Duration};

use prost::Message;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::{
    attempt::{self, Send},
    connect_error::ConnectError,
    connection_pool::{Endpoints, Purpose},
    error::CallError,
    metadata::Metadata,
    retry::Retries,
    retry_budget::RetryBudget,
    retry_policy::RetryPolicy,
    settings::{ClientSettings, MAX_CALL_DEADLINE, Parts},
};

/// A client of Inrush. Cloning it copies a pointer; clones share connections and the retry budget, so an
/// application needs one.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    call_deadline: Duration,
}

/// Shared by all clones of a client.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) endpoints: Endpoints,
    pub(crate) metadata: Metadata,
    pub(crate) policy: RetryPolicy,
    pub(crate) budget: RetryBudget,
}

impl Client {
    /// Connects to each endpoint and succeeds if one of them answers. Fails on invalid settings, and if no
    /// endpoint can be reached within the connect timeout.
    pub async fn connect(settings: ClientSettings) -> Result<Self, ConnectError> {
        let (destinations, parts) = settings.resolve()?;
        let endpoints = Endpoints::connect(&destinations, parts.connections, parts.sizes).await?;
        Ok(Self::new(endpoints, parts))
    }

    /// Connects on first use, so that a caller can start before Inrush does. Fails only on invalid settings.
    /// Must be called within a Tokio runtime.
    pub fn lazy(settings: ClientSettings) -> Result<Self, ConnectError> {
        let (destinations, parts) = settings.resolve()?;
        let endpoints = Endpoints::lazy(&destinations, parts.connections, parts.sizes)?;
        Ok(Self::new(endpoints, parts))
    }

    /// Calls over a given channel, such as one over a Unix socket. Settings about connecting are not used,
    /// and `name` names the endpoint in messages.
    pub fn over(channel: Channel, name: &str, settings: ClientSettings) -> Result<Self, ConnectError> {
        let parts = settings.into_parts()?;
        Ok(Self::new(Endpoints::over(name, channel, parts.sizes), parts))
    }

    /// The same client with another deadline for its calls, at most a day.
    #[must_use]
    pub fn with_deadline(&self, call_deadline: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), call_deadline: call_deadline.min(MAX_CALL_DEADLINE) }
    }

    fn new(endpoints: Endpoints, parts: Parts) -> Self {
        let Parts { retry: policy, call_deadline, metadata, .. } = parts;
        let budget = RetryBudget::new(&policy);
        Self { shared: Arc::new(Shared { endpoints, metadata, policy, budget }), call_deadline }
    }

    /// Sends `message` until it is answered, a failure cannot be retried, or a bound of the retry policy is
    /// reached.
    pub(crate) async fn call<M: Message + Clone, R>(
        &self,
        message: M,
        send: Send<M, R>,
    ) -> Result<R, CallError> {
        let Shared { endpoints, metadata, policy, budget } = &*self.shared;
        let mut retries = Retries::begin(policy, budget, Instant::now() + self.call_deadline);
        let mut selected = endpoints.select(Purpose::Call, None);
        loop {
            let within = retries.next_attempt();
            let error = match attempt::send_once(&selected, metadata, message.clone(), within, send).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let wait = match retries.after(&error) {
                Ok(wait) => wait,
                Err(ended) => return Err(CallError::last_attempt(error, retries.attempts(), ended)),
            };
            tracing::debug!(attempt = retries.attempts(), ?wait, status = %error.status, "calling Inrush again");
            tokio::time::sleep(wait).await;
            selected = endpoints.select(Purpose::Call, Some(&selected));
        }
    }
}
