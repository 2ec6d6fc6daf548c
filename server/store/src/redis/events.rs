//! Subscribes to the events that scripts publish, on a connection of its own, for all handles of the store.

use std::{io, sync::Arc, time::Duration};

use futures_util::StreamExt;
use inrush_core::store::StoreEvent;
use redis::{Msg, RedisResult, aio::PubSub};
use tokio::{sync::broadcast, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    endpoint::Endpoint,
    keys::{ADMISSION_CHANNEL, WORK_CHANNEL},
};

/// Events buffered for a slow subscriber. They only save time, so the oldest may be lost.
const EVENT_BUFFER: usize = 4096;

/// A connection that has been idle for so long is checked with a PING.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// First wait before reconnecting; it doubles with each attempt …
const MIN_RECONNECT_BACKOFF: Duration = Duration::from_millis(100);

/// … up to this. Subscribers also poll from time to time.
const MAX_RECONNECT_BACKOFF: Duration = Duration::from_secs(3);

/// The subscription; it ends when this is dropped.
pub(super) struct Events {
    sender: broadcast::Sender<StoreEvent>,
    listener: JoinHandle<()>,
}

impl Events {
    /// Subscribes in the background. `reply_timeout` bounds connecting and every answer.
    pub(super) fn listen(endpoint: Arc<Endpoint>, reply_timeout: Duration) -> Self {
        let (sender, _) = broadcast::channel(EVENT_BUFFER);
        let listener = tokio::spawn(run_listener(endpoint, reply_timeout, sender.clone()));
        Self { sender, listener }
    }

    /// Events from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.sender.subscribe()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn run_listener(
    endpoint: Arc<Endpoint>,
    reply_timeout: Duration,
    sender: broadcast::Sender<StoreEvent>,
) {
    let mut backoff = MIN_RECONNECT_BACKOFF;
    for turn in (0..usize::MAX).cycle() {
        // A new server is subscribed to immediately, whatever was tried with the old one.
        let mut retired = CancellationToken::new();
        match timeout(reply_timeout, subscribe(&endpoint, turn, &mut retired)).await {
            Ok(Ok(subscription)) => {
                backoff = MIN_RECONNECT_BACKOFF;
                let _ = sender.send(StoreEvent::Missed);
                retired.run_until_cancelled(forward(subscription, reply_timeout, &sender)).await;
                tracing::info!(redis = %endpoint, "event subscription lost; reconnecting");
            }
            Ok(Err(error)) => {
                tracing::debug!(redis = %endpoint, %error, "event subscription failed; retrying");
            }
            Err(_) => tracing::debug!(redis = %endpoint, "event subscription timed out; retrying"),
        }
        retired.run_until_cancelled(tokio::time::sleep(backoff)).await;
        backoff = MAX_RECONNECT_BACKOFF.min(backoff * 2);
    }
}

/// Sets `retired` to what is cancelled once another server takes the place of this one.
async fn subscribe(endpoint: &Endpoint, turn: usize, retired: &mut CancellationToken) -> RedisResult<PubSub> {
    let subscriber = endpoint.subscriber(turn).await?;
    *retired = subscriber.retired;
    let connected = retired.run_until_cancelled(subscriber.client.get_async_pubsub()).await;
    let mut subscription = connected.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))??;
    subscription.subscribe(&[WORK_CHANNEL, ADMISSION_CHANNEL]).await?;
    Ok(subscription)
}

/// Forwards events until the connection breaks or times out. Without subscribers events are dropped.
async fn forward(subscription: PubSub, reply_timeout: Duration, sender: &broadcast::Sender<StoreEvent>) {
    let (mut sink, mut messages) = subscription.split();
    loop {
        match timeout(IDLE_TIMEOUT, messages.next()).await {
            Ok(Some(message)) => {
                if let Some(event) = event_of(&message) {
                    let _ = sender.send(event);
                }
            }
            Ok(None) => return,
            Err(_) => match timeout(reply_timeout, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return,
            },
        }
    }
}

/// `None` for a message that Inrush did not publish.
fn event_of(message: &Msg) -> Option<StoreEvent> {
    let sale = std::str::from_utf8(message.get_payload_bytes()).ok()?.parse().ok()?;
    match message.get_channel_name() {
        WORK_CHANNEL => Some(StoreEvent::Work(sale)),
        ADMISSION_CHANNEL => Some(StoreEvent::Admission(sale)),
        _ => None,
    }
}
