//! A server-streaming call whose messages are read one by one.

use std::{collections::VecDeque, future::poll_fn};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;

use crate::{
    answer::Answer,
    frames::Frames,
    head::Head,
    link::Link,
    status::{broken, malformed, no_connection, not_grpc, status, trailers_only},
};

/// An open call. Dropping it cancels the call.
pub struct Subscription {
    body: RecvStream,
    frames: Frames,
    ready: VecDeque<Bytes>,
    /// Dropping it earlier would reset the stream.
    _sending: SendStream<Bytes>,
}

impl Subscription {
    /// Makes the call with one message, its length prefix before it. Must be called within a `LocalSet`.
    ///
    /// # Errors
    /// How the call ended, if it brings no messages.
    pub async fn open(link: &Link, head: &Head, message: Bytes) -> Result<Self, Answer> {
        let (generation, mut opener) = link.sender().await.map_err(no_connection)?;
        let opened = match poll_fn(|context| opener.poll_ready(context)).await {
            Ok(()) => opener.send_request(head.request(HeaderMap::new()), false),
            Err(error) => Err(error),
        };
        let (response, mut sending) = opened.map_err(|error| {
            link.broken(generation);
            broken(&error)
        })?;
        sending.send_data(message, true).map_err(|error| broken(&error))?;
        let response = response.await.map_err(|error| broken(&error))?;
        if let Some(answer) = not_grpc(&response).or_else(|| trailers_only(&response)) {
            return Err(answer);
        }
        let frames = Frames::keeping_all(head.max_receive);
        Ok(Self { body: response.into_body(), frames, ready: VecDeque::new(), _sending: sending })
    }

    /// The next message.
    ///
    /// # Errors
    /// How the call ended.
    pub async fn next(&mut self) -> Result<Bytes, Answer> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let Some(data) = self.body.data().await else { return Err(self.end().await) };
            let data = data.map_err(|error| broken(&error))?;
            // Fails only for a closed stream, and then the next read returns the error.
            let _released = self.body.flow_control().release_capacity(data.len());
            self.frames.take(data).map_err(|error| malformed(&error))?;
            self.ready.extend(self.frames.complete());
        }
    }

    async fn end(&mut self) -> Answer {
        match self.body.trailers().await {
            Ok(trailers) => status(&trailers.unwrap_or_default()),
            Err(error) => broken(&error),
        }
    }
}
