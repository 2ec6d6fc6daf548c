//! One order stream, from its connection to its end.

use std::{error::Error, pin::pin, time::Duration};

use inrush_proto::v1::order_creation_service_client::OrderCreationServiceClient;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Endpoint};

use crate::{
    stream::dispatcher::Dispatcher, stream::order_lane::Credit, stream::request_stream::RequestStream,
};

/// How long an order system may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the order system may take to refuse the call or to say how much credit it gives. One that is silent, because
/// it has nothing to say before it sees an entry, is taken to be there.
const OPEN_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the order system may take to end the stream after we have.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer that vanished without a word is noticed within the sum of both.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for a window's worth of answers on their way.
const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// Why a stream ended, or why there was none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the worker is ending")]
    Stopped,
    #[error("the order system ended the stream")]
    Finished,
    #[error("there is no connection to it: {0}")]
    NoConnection(String),
    #[error("{code}: {message}", code = .0.code(), message = .0.message())]
    Broken(Box<Status>),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Broken(Box::new(status))
    }
}

/// What every stream's connection is like.
pub(crate) fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(RECEIVE_WINDOW)
        .initial_connection_window_size(RECEIVE_WINDOW)
}

/// Connects and streams until one side ends it. `answered` is set once the order system has answered an entry. The lane
/// may still be open in the window afterwards.
pub(crate) async fn stream(dispatcher: &Dispatcher, answered: &mut bool, stop: &CancellationToken) -> Ended {
    let connected = tokio::select! {
        connected = dispatcher.endpoint.connect() => connected,
        () = stop.cancelled() => return Ended::Stopped,
    };
    let channel = match connected {
        Ok(channel) => channel,
        Err(error) => return Ended::NoConnection(root_cause(&error)),
    };
    let (sender, queue) = mpsc::channel(dispatcher.window.max_queue_len());
    let outbound = RequestStream { queue, statistics: dispatcher.statistics.clone() };
    let mut client = OrderCreationServiceClient::new(channel);
    let mut opening = pin!(async {
        let mut responses = client.create_orders(outbound).await?.into_inner();
        let first_response = responses.message().await?;
        Ok::<_, Status>((responses, first_response))
    });
    let opened = tokio::select! {
        opened = &mut opening => match opened {
            Ok(opened) => Some(opened),
            Err(status) => return status.into(),
        },
        () = sleep(OPEN_TIMEOUT) => None,
        () = stop.cancelled() => return Ended::Stopped,
    };
    let credit = match &opened {
        Some((_, Some(first_response))) => Credit::default().after_message(first_response.credit),
        Some((_, None)) => return Ended::Finished,
        None => Credit::default(),
    };
    dispatcher.window.open(dispatcher.lane, sender, credit);
    tracing::info!(order_system = %dispatcher.endpoint.uri(), ?credit, "an order stream is up");
    let mut receiving = pin!(async {
        let (mut responses, mut response) = match opened {
            Some(opened) => opened,
            None => opening.await?,
        };
        while let Some(message) = response {
            *answered |= dispatcher.on_response(message).await;
            response = responses.message().await?;
        }
        Ok::<(), Status>(())
    });
    tokio::select! {
        ended = &mut receiving => ended.map_or_else(Ended::from, |()| Ended::Finished),
        () = stop.cancelled() => {
            // Closing the lane ends the stream from our side; the order system then ends it from its own.
            dispatcher.requeuer.worker_ending(dispatcher.window.close(dispatcher.lane)).await;
            let _ = timeout(CLOSE_TIMEOUT, receiving).await;
            Ended::Stopped
        }
    }
}

/// A transport error says nothing itself; what caused it does.
fn root_cause(error: &dyn Error) -> String {
    let mut root_cause = error;
    while let Some(source) = root_cause.source() {
        root_cause = source;
    }
    root_cause.to_string()
}
