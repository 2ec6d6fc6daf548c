//! Makes calls one after the other over a link.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use tokio::time::{sleep, timeout};

use crate::{
    answer::Answer,
    code::Code,
    deadlines::Slot,
    error::Error,
    frames::Frames,
    head::Head,
    link::Link,
    request::{Body, Request as Outgoing},
    status::{GRPC_STATUS, broken, malformed, no_connection, not_grpc, status},
};

/// Number of received bytes after which a stream releases flow-control capacity. `h2` releases the rest when the stream
/// ends, so that a short answer costs nothing. Small enough that a hundred thousand streams that wait for the rest of a
/// message do not use up the connection's window.
const RELEASE_FROM: usize = 512;

/// The pace of a call's messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamTimes {
    /// Time between two messages.
    pub interval: Duration,
    /// When the client ends the stream: it stops sending, or if it has sent everything, it stops receiving.
    pub call_duration: Option<Duration>,
    /// After how many messages of an answer the client ends the call.
    pub receive_count: Option<u32>,
}

/// Makes one call after the other. Must be used within a `LocalSet`.
pub struct Caller {
    link: Rc<Link>,
    head: Rc<Head>,
    times: StreamTimes,
    slot: Option<Rc<Slot>>,
    opener: Option<(u64, SendRequest<Bytes>)>,
}

impl Caller {
    /// Calls over a link.
    pub fn new(link: Rc<Link>, head: Rc<Head>, times: StreamTimes) -> Self {
        let slot = head.timeout.map(|limit| link.deadlines().slot(limit));
        Self { link, head, times, slot, opener: None }
    }

    /// Makes a call and waits for its end.
    ///
    /// # Errors
    /// When a message cannot be made. What the server or the network does is in the answer.
    pub async fn call(&mut self, request: Outgoing) -> Result<Answer, Error> {
        let Some(slot) = self.slot.clone() else { return self.perform(request).await };
        let deadline = Instant::now() + slot.limit();
        let late = || Answer::failed(Code::DeadlineExceeded, "context deadline exceeded");
        // Pinned in place: the future is large, and moving it would cost as much as sending.
        let call = pin!(self.perform(request));
        match slot.limited(deadline, call).await {
            None => Ok(late()),
            // The server knows the deadline, too, and may answer with it slightly earlier.
            Some(Ok(answer)) if answer.code != Code::Ok && Instant::now() >= deadline => Ok(late()),
            Some(answer) => answer,
        }
    }

    /// Rare paths are boxed: a future has room for all of its states, so unboxed they would enlarge every call.
    async fn perform(&mut self, Outgoing { metadata, body }: Outgoing) -> Result<Answer, Error> {
        let head = self.head.request(metadata);
        if let Err(answer) = self.become_ready().await {
            return Ok(answer);
        }
        let Some((_, opener)) = &mut self.opener else { return Ok(no_connection("it was closed")) };
        let (response, mut sending) = match opener.send_request(head, false) {
            Ok(streams) => streams,
            Err(error) => {
                self.give_up_connection();
                return Ok(broken(&error));
            }
        };
        let message = match body {
            Body::One(message) => message,
            Body::Many(messages) => return Box::pin(self.exchange(sending, messages, response)).await,
        };
        let length = message.len() as u64;
        if let Err(error) = sending.send_data(message, true) {
            return Ok(broken(&error));
        }
        let mut answer = match self.times.call_duration {
            None => self.receive(response).await,
            Some(limit) => Box::pin(self.receive_for(response, limit)).await,
        };
        answer.bytes_sent = length;
        Ok(answer)
    }

    /// Waits for a connection that accepts another stream. One that accepts no more is replaced before the call starts.
    async fn become_ready(&mut self) -> Result<(), Answer> {
        loop {
            if let Some((generation, opener)) = &mut self.opener
                && *generation == self.link.generation()
            {
                match poll_fn(|context| opener.poll_ready(context)).await {
                    Ok(()) => return Ok(()),
                    Err(_) => self.link.broken(*generation),
                }
            }
            let opener = Box::pin(self.link.sender()).await;
            self.opener = Some(opener.map_err(no_connection)?);
        }
    }

    fn give_up_connection(&mut self) {
        if let Some((generation, _)) = self.opener.take() {
            self.link.broken(generation);
        }
    }

    /// Sends many messages, and receives at the same time.
    async fn exchange(
        &self,
        mut sending: SendStream<Bytes>,
        messages: Box<dyn Iterator<Item = Result<Bytes, Error>>>,
        response: ResponseFuture,
    ) -> Result<Answer, Error> {
        let send = send_all(&mut sending, messages, self.times);
        let (sent, mut answer) = tokio::join!(send, self.receive(response));
        answer.bytes_sent = sent?;
        Ok(answer)
    }

    async fn receive(&self, response: ResponseFuture) -> Answer {
        match self.read(response).await {
            Ok(answer) => answer,
            Err(answer) => answer,
        }
    }

    /// Receives for `limit`, and then ends the call as OK.
    async fn receive_for(&self, response: ResponseFuture, limit: Duration) -> Answer {
        match timeout(limit, self.receive(response)).await {
            Ok(answer) => answer,
            Err(_) => Answer::ok(),
        }
    }

    async fn read(&self, response: ResponseFuture) -> Result<Answer, Answer> {
        let response = response.await.map_err(|error| broken(&error))?;
        if let Some(answer) = not_grpc(&response) {
            return Err(answer);
        }
        let (parts, mut body) = response.into_parts();
        let mut frames = Frames::new(self.head.max_receive, self.head.keep);
        let received = read_data(&mut body, &mut frames, self.times.receive_count).await?;
        if self.times.receive_count.is_some_and(|most| frames.count() >= most) {
            // Without its body the stream is cancelled.
            return Ok(Answer { bytes_received: received, ..Answer::ok() });
        }
        let trailers = if parts.headers.contains_key(GRPC_STATUS) {
            parts.headers
        } else {
            body.trailers().await.map_err(|error| broken(&error))?.unwrap_or_default()
        };
        let mut answer = status(&trailers);
        answer.bytes_received = received;
        if answer.code == Code::Ok {
            answer.message = frames.end().map_err(|error| malformed(&error))?;
        }
        Ok(answer)
    }
}

async fn read_data(body: &mut RecvStream, frames: &mut Frames, most: Option<u32>) -> Result<u64, Answer> {
    let mut received = 0;
    let mut unreleased = 0;
    while most.is_none_or(|most| frames.count() < most)
        && let Some(data) = body.data().await
    {
        let data = data.map_err(|error| broken(&error))?;
        received += data.len() as u64;
        unreleased += data.len();
        if unreleased >= RELEASE_FROM {
            // Fails only for a closed stream, and then the next read returns the error.
            let _released = body.flow_control().release_capacity(unreleased);
            unreleased = 0;
        }
        frames.take(data).map_err(|error| malformed(&error))?;
    }
    Ok(received)
}

/// Sends messages until there are no more, the time is over, or the server stops reading. Returns the bytes sent.
async fn send_all(
    sending: &mut SendStream<Bytes>,
    messages: Box<dyn Iterator<Item = Result<Bytes, Error>>>,
    times: StreamTimes,
) -> Result<u64, Error> {
    let end = times.call_duration.map(|duration| Instant::now() + duration);
    let mut sent = 0;
    for (number, message) in messages.enumerate() {
        if number > 0 && !times.interval.is_zero() {
            sleep(times.interval).await;
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                sending.send_reset(Reason::CANCEL);
                return Err(error);
            }
        };
        sent += message.len() as u64;
        if !send_one(sending, message).await {
            return Ok(sent);
        }
    }
    // Fails only for a stream that the server has ended, and then its answer has the reason.
    let _ended = sending.send_data(Bytes::new(), true);
    Ok(sent)
}

/// Sends a message within flow control. False: the server reads no more.
async fn send_one(sending: &mut SendStream<Bytes>, mut message: Bytes) -> bool {
    while !message.is_empty() {
        sending.reserve_capacity(message.len());
        let Some(Ok(room)) = poll_fn(|context| sending.poll_capacity(context)).await else { return false };
        let part = message.split_to(room.min(message.len()));
        if sending.send_data(part, false).is_err() {
            return false;
        }
    }
    true
}
