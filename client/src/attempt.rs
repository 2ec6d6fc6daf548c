//! One attempt of a call on one connection, and the classification of its failure.

use std::{error::Error as _, time::Duration};

use futures_util::future::BoxFuture;
use prost::Message;
use tonic::{ConnectError, Request, Response, Status, TimeoutExpired};

use crate::{
    connection_pool::{InFlightGuard, SelectedEndpoint},
    error_chain::{chain, explain},
    grpc_clients::GrpcClients,
    metadata::Metadata,
};

/// A reply in flight. Boxed, so that futures that await one stay small.
pub(crate) type Reply<R> = BoxFuture<'static, Result<Response<R>, Status>>;

/// Sends one kind of request.
pub(crate) type Send<M, R> = fn(GrpcClients, Request<M>) -> Reply<R>;

/// Makes one attempt: sends `message` with `timeout` as its deadline and waits for the reply.
pub(crate) async fn send_once<M: Message, R>(
    selected: &SelectedEndpoint,
    metadata: &Metadata,
    message: M,
    timeout: Duration,
    send: Send<M, R>,
) -> Result<R, AttemptError> {
    let mut request = metadata.request(message).await;
    request.set_timeout(timeout);
    let (reply, _guard) = run(selected, request, timeout, send).await?;
    Ok(reply)
}

/// Opens a stream within `timeout`. The server gets no deadline, since the stream may last much longer; the
/// endpoint counts it as in flight for as long.
pub(crate) async fn open<M: Message, R>(
    selected: &SelectedEndpoint,
    metadata: &Metadata,
    message: M,
    timeout: Duration,
    send: Send<M, R>,
) -> Result<(R, InFlightGuard), AttemptError> {
    let request = metadata.request(message).await;
    run(selected, request, timeout, send).await
}

async fn run<M: Message, R>(
    selected: &SelectedEndpoint,
    request: Request<M>,
    timeout: Duration,
    send: Send<M, R>,
) -> Result<(R, InFlightGuard), AttemptError> {
    AttemptError::check_size(request.get_ref().encoded_len(), selected.max_request_bytes())?;
    let guard = selected.start_call();
    let error = match tokio::time::timeout(timeout, send(selected.clients(), request)).await {
        Ok(Ok(response)) => return Ok((response.into_inner(), guard)),
        Ok(Err(status)) if is_timeout(&status) => AttemptError::no_answer(timeout, selected.endpoint_name()),
        Ok(Err(status)) => AttemptError::classify(status, selected.endpoint_name()),
        Err(_elapsed) => AttemptError::no_answer(timeout, selected.endpoint_name()),
    };
    if !error.connected {
        selected.start_cooldown();
    }
    Err(error)
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct AttemptError {
    /// The status, from the server or made here.
    pub(crate) status: Status,
    /// The source of the failure.
    pub(crate) origin: Origin,
    /// Whether there was a connection.
    pub(crate) connected: bool,
}

/// The source of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The server answered with a status.
    Server,
    /// The connection failed before a complete answer.
    Transport,
    /// The attempt timed out on this side.
    Timer,
    /// The request was not sent.
    Caller,
}

impl AttemptError {
    /// Distinguishes an answer of the server from a transport failure: only the latter has a source.
    pub(crate) fn classify(status: Status, endpoint: &str) -> Self {
        let Some(source) = status.source() else {
            return Self { status, origin: Origin::Server, connected: true };
        };
        let connected = !chain(source).any(|error| error.is::<ConnectError>());
        let what = if connected { "connection to Inrush broke" } else { "cannot reach Inrush" };
        let message = format!("{what} at {endpoint}: {}", explain(source));
        Self { status: Status::new(status.code(), message), origin: Origin::Transport, connected }
    }

    /// The server ended a stream before a final state.
    pub(crate) fn ended_early(endpoint: &str) -> Self {
        let message = format!("Inrush at {endpoint} ended the stream early");
        Self { status: Status::unavailable(message), origin: Origin::Transport, connected: true }
    }

    /// Refuses a request that is too large. The transport would only report a broken stream.
    fn check_size(bytes: usize, max: usize) -> Result<(), Self> {
        if bytes <= max {
            return Ok(());
        }
        let message = format!("request of {bytes} bytes exceeds the client setting max_request_bytes, {max}");
        Err(Self { status: Status::invalid_argument(message), origin: Origin::Caller, connected: true })
    }

    fn no_answer(timeout: Duration, endpoint: &str) -> Self {
        let message = format!("no answer from Inrush at {endpoint} within {timeout:?}");
        Self { status: Status::deadline_exceeded(message), origin: Origin::Timer, connected: true }
    }
}

/// Whether the transport timed out. It has the same timeout as this client and is sometimes first.
fn is_timeout(status: &Status) -> bool {
    status.source().is_some_and(|source| chain(source).any(|error| error.is::<TimeoutExpired>()))
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn a_status_of_the_server_is_unchanged() {
        let error = AttemptError::classify(Status::not_found("no such ticket"), "http://a");
        assert_eq!((error.origin, error.connected), (Origin::Server, true));
        assert_eq!(error.status.message(), "no such ticket");
    }

    #[test]
    fn a_broken_connection_is_reported_with_its_cause() {
        let mut status = Status::unknown("transport error");
        status.set_source(Arc::new(io::Error::other("reset by peer")));
        let error = AttemptError::classify(status, "http://a");
        assert_eq!((error.origin, error.connected), (Origin::Transport, true));
        assert_eq!(error.status.message(), "connection to Inrush broke at http://a: reset by peer");
    }

    #[test]
    fn a_failed_connection_is_reported_with_advice() {
        let mut status = Status::unavailable("");
        let cause = io::Error::other("invalid peer certificate: UnknownIssuer");
        status.set_source(Arc::new(ConnectError(Box::new(cause))));
        let error = AttemptError::classify(status, "https://a");
        assert!(!error.connected);
        assert_eq!(
            error.status.message(),
            "cannot reach Inrush at https://a: invalid peer certificate: UnknownIssuer; \
             the server's certificate was not issued by the configured CA"
        );
    }
}
