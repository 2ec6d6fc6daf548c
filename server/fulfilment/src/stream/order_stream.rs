//! One order stream, from connecting to its end.

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

/// The time within which an order system must accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time within which the order system may refuse the call or advertise its credit. One that stays silent,
/// because it sends nothing before it has received an entry, is taken to be up.
const OPEN_TIMEOUT: Duration = Duration::from_millis(250);

/// The time within which the order system must end the stream after this side has.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer that vanished is detected within the sum of both.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for the answers of a whole window.
const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// Why a stream ended or could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("worker is shutting down")]
    Stopped,
    #[error("order system ended the stream")]
    Finished,
    #[error("connecting failed: {0}")]
    NoConnection(String),
    #[error("{code}: {message}", code = .0.code(), message = .0.message())]
    Broken(Box<Status>),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Broken(Box::new(status))
    }
}

/// Applies the connection settings that every stream has.
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

/// Connects and streams until either side ends the stream. Sets `answered` once the order system has answered
/// an entry. The lane may still be open in the window afterwards.
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
    tracing::info!(order_system = %dispatcher.endpoint.uri(), ?credit, "order stream is up");
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
            // Closing the lane ends the stream from this side; the order system then ends it from its own.
            dispatcher.requeuer.worker_ending(dispatcher.window.close(dispatcher.lane)).await;
            let _ = timeout(CLOSE_TIMEOUT, receiving).await;
            Ended::Stopped
        }
    }
}

/// The last source of an error: a transport error itself says only that there was one.
fn root_cause(error: &dyn Error) -> String {
    let mut root_cause = error;
    while let Some(source) = root_cause.source() {
        root_cause = source;
    }
    root_cause.to_string()
}
