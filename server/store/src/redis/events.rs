//! Listens to what the scripts publish, on a connection of its own, for all handles of the store.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use inrush_core::store::StoreEvent;
use redis::{Msg, RedisResult, aio::PubSub};
use tokio::{sync::broadcast, task::JoinHandle, time::timeout};

use super::{
    endpoint::Endpoint,
    keys::{ADMISSION_CHANNEL, WORK_CHANNEL},
};

/// Announcements kept for a listener that is behind. They only save time, so the older ones may be lost.
const EVENT_BUFFER: usize = 4096;

/// A connection that has been silent for so long is asked whether it is still there.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// First pause before connecting again; each further one is twice as long …
const MIN_RECONNECT_BACKOFF: Duration = Duration::from_millis(100);

/// … up to this. Whoever depends on announcements also looks by itself from time to time.
const MAX_RECONNECT_BACKOFF: Duration = Duration::from_secs(3);

/// Announcements, as long as this lives.
pub(super) struct Events {
    sender: broadcast::Sender<StoreEvent>,
    listener: JoinHandle<()>,
}

impl Events {
    /// Starts to listen. `reply_timeout` bounds connecting and every answer.
    pub(super) fn listen(endpoint: Arc<Endpoint>, reply_timeout: Duration) -> Self {
        let (sender, _) = broadcast::channel(EVENT_BUFFER);
        let listener = tokio::spawn(run_listener(endpoint, reply_timeout, sender.clone()));
        Self { sender, listener }
    }

    /// Announcements from now on.
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
    let mut pause = MIN_RECONNECT_BACKOFF;
    for turn in (0..usize::MAX).cycle() {
        match timeout(reply_timeout, subscribe(&endpoint, turn)).await {
            Ok(Ok(subscription)) => {
                pause = MIN_RECONNECT_BACKOFF;
                let _ = sender.send(StoreEvent::Missed);
                forward(subscription, reply_timeout, &sender).await;
                tracing::info!(redis = %endpoint, "announcements are interrupted");
            }
            Ok(Err(error)) => tracing::debug!(redis = %endpoint, %error, "cannot listen to announcements"),
            Err(_) => tracing::debug!(redis = %endpoint, "cannot listen to announcements: no answer in time"),
        }
        tokio::time::sleep(pause).await;
        pause = MAX_RECONNECT_BACKOFF.min(pause * 2);
    }
}

async fn subscribe(endpoint: &Endpoint, turn: usize) -> RedisResult<PubSub> {
    let mut subscription = endpoint.subscriber_client(turn).await?.get_async_pubsub().await?;
    subscription.subscribe(&[WORK_CHANNEL, ADMISSION_CHANNEL]).await?;
    Ok(subscription)
}

/// Forwards until the connection breaks or does not answer any more. Nobody listening is no failure.
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

/// None for what Inrush did not publish.
fn event_of(message: &Msg) -> Option<StoreEvent> {
    let sale = std::str::from_utf8(message.get_payload_bytes()).ok()?.parse().ok()?;
    match message.get_channel_name() {
        WORK_CHANNEL => Some(StoreEvent::Work(sale)),
        ADMISSION_CHANNEL => Some(StoreEvent::Admission(sale)),
        _ => None,
    }
}
