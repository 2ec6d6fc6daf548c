//! One attempt of a call over one connection, and what its failure was.

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

/// An answer under way. Boxed, so that what waits for one stays small.
pub(crate) type Reply<R> = BoxFuture<'static, Result<Response<R>, Status>>;

/// Sends one kind of request.
pub(crate) type Send<M, R> = fn(GrpcClients, Request<M>) -> Reply<R>;

/// Makes one attempt: sends `message` and waits for the answer, which the server is told to give `timeout` a time.
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

/// Opens a stream within a time. The server is not told a deadline: the stream may live long after it, and the
/// endpoint counts as busy for as long.
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
    /// What was said, by whomever.
    pub(crate) status: Status,
    /// By whom.
    pub(crate) origin: Origin,
    /// False when not even a connection came about.
    pub(crate) connected: bool,
}

/// Who says that an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The server, in an answer.
    Server,
    /// The connection: there was no answer, or only a part of it.
    Transport,
    /// This client, which waited no longer.
    Timer,
    /// This client, which did not send the request.
    Caller,
}

impl AttemptError {
    /// Tells an answer of the server from a failure on the way: only the latter has a source on this side.
    pub(crate) fn classify(status: Status, endpoint: &str) -> Self {
        let Some(source) = status.source() else {
            return Self { status, origin: Origin::Server, connected: true };
        };
        let connected = !chain(source).any(|error| error.is::<ConnectError>());
        let what = if connected { "the connection to Inrush broke" } else { "cannot reach Inrush" };
        let message = format!("{what} at {endpoint}: {}", explain(source));
        Self { status: Status::new(status.code(), message), origin: Origin::Transport, connected }
    }

    /// A stream that the server ended although there was more to come.
    pub(crate) fn ended_early(endpoint: &str) -> Self {
        let message = format!("Inrush at {endpoint} ended the stream early");
        Self { status: Status::unavailable(message), origin: Origin::Transport, connected: true }
    }

    /// Refuses a request that is too large. The transport would only say that a stream broke.
    fn check_size(bytes: usize, most: usize) -> Result<(), Self> {
        if bytes <= most {
            return Ok(());
        }
        let message = format!(
            "the request has {bytes} bytes, and the client's setting max_request_bytes allows {most}"
        );
        Err(Self { status: Status::invalid_argument(message), origin: Origin::Caller, connected: true })
    }

    fn no_answer(timeout: Duration, endpoint: &str) -> Self {
        let message = format!("no answer from Inrush at {endpoint} within {timeout:?}");
        Self { status: Status::deadline_exceeded(message), origin: Origin::Timer, connected: true }
    }
}

/// Whether the transport waited no longer; it keeps the same time as this client and sometimes wins.
fn is_timeout(status: &Status) -> bool {
    status.source().is_some_and(|source| chain(source).any(|error| error.is::<TimeoutExpired>()))
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn an_answer_of_the_server_is_left_as_it_is() {
        let error = AttemptError::classify(Status::not_found("no such ticket"), "http://a");
        assert_eq!((error.origin, error.connected), (Origin::Server, true));
        assert_eq!(error.status.message(), "no such ticket");
    }

    #[test]
    fn a_broken_connection_is_named_with_its_cause() {
        let mut status = Status::unknown("transport error");
        status.set_source(Arc::new(io::Error::other("reset by peer")));
        let error = AttemptError::classify(status, "http://a");
        assert_eq!((error.origin, error.connected), (Origin::Transport, true));
        assert_eq!(error.status.message(), "the connection to Inrush broke at http://a: reset by peer");
    }

    #[test]
    fn a_failed_connection_comes_with_advice() {
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
