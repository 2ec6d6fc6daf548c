//! One call after the other, over a link.

use std::{future::poll_fn, rc::Rc, time::Duration};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    answer::Answer,
    endpoint::Endpoint,
    frames::{FrameError, Frames},
    link::Link,
};
use crate::{
    measure::Code,
    message::{Body, Request as Outgoing},
    problem::Problem,
};

const USER_AGENT: &str = concat!("inrush-loadtest/", env!("CARGO_PKG_VERSION"));

const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";

/// What all calls of a method have in common.
#[derive(Debug)]
pub struct Head {
    uri: Uri,
    headers: HeaderMap,
    timeout: Option<Duration>,
    max_receive: usize,
    keep: bool,
}

impl Head {
    /// Calls of `path` at an endpoint, each of which may take `timeout`.
    ///
    /// # Errors
    /// When the path or the authority is not one.
    pub fn new(endpoint: &Endpoint, path: &str, timeout: Option<Duration>) -> Result<Self, Problem> {
        let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
        let authority = endpoint.authority();
        let uri = Uri::builder().scheme(scheme).authority(authority.as_str()).path_and_query(path).build();
        let uri = uri.map_err(|error| {
            Problem::new(
                format!("{authority:?} cannot be called at {path:?}: {error}"),
                "give the server as host:port, and --authority as a host name",
            )
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(timeout) = timeout {
            headers.insert("grpc-timeout", timeout_header(timeout));
        }
        Ok(Self { uri, headers, timeout, max_receive: endpoint.max_receive, keep: false })
    }

    /// Says that messages are compressed with gzip.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        self
    }

    /// Keeps the last message of every answer.
    #[must_use]
    pub fn keeping_messages(mut self) -> Self {
        self.keep = true;
        self
    }

    fn request(&self, metadata: HeaderMap) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        let mut headers = self.headers.clone();
        headers.extend(metadata);
        *request.headers_mut() = headers;
        request
    }
}

/// How a call's stream of messages is paced.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamTimes {
    /// Time between two messages.
    pub interval: Duration,
    /// When the client ends the stream: it stops sending, or where it sends nothing more, takes in nothing more.
    pub call_duration: Option<Duration>,
}

/// Makes one call after the other. Must be used within a `LocalSet`.
pub struct Caller {
    link: Rc<Link>,
    head: Rc<Head>,
    times: StreamTimes,
    opener: Option<(u64, SendRequest<Bytes>)>,
}

impl Caller {
    /// Calls over a link.
    pub fn new(link: Rc<Link>, head: Rc<Head>, times: StreamTimes) -> Self {
        Self { link, head, times, opener: None }
    }

    /// Makes a call and waits for its end.
    ///
    /// # Errors
    /// When a message cannot be made. What the server or the network does is in the answer.
    pub async fn call(&mut self, request: Outgoing) -> Result<Answer, Problem> {
        let Some(limit) = self.head.timeout else { return self.perform(request).await };
        let deadline = Instant::now() + limit;
        let late = || Answer::failed(Code::DeadlineExceeded, "context deadline exceeded");
        match timeout_at(deadline, self.perform(request)).await {
            Err(_) => Ok(late()),
            // The server knows the deadline too, and may say so a moment before this side's timer does.
            Ok(Ok(answer)) if answer.code != Code::Ok && Instant::now() >= deadline => Ok(late()),
            Ok(answer) => answer,
        }
    }

    async fn perform(&mut self, Outgoing { metadata, body }: Outgoing) -> Result<Answer, Problem> {
        let head = self.head.request(metadata);
        let opener = match self.opener().await {
            Ok(opener) => opener,
            Err(answer) => return Ok(answer),
        };
        let (response, mut sending) = match opener.send_request(head, false) {
            Ok(streams) => streams,
            Err(error) => {
                self.give_up_connection();
                return Ok(broken(&error));
            }
        };
        match body {
            Body::One(message) => {
                let length = message.len() as u64;
                if let Err(error) = sending.send_data(message, true) {
                    return Ok(broken(&error));
                }
                let mut answer = match self.times.call_duration {
                    None => self.receive(response).await,
                    Some(limit) => self.receive_for(response, limit).await,
                };
                answer.bytes_sent = length;
                Ok(answer)
            }
            Body::Many(messages) => {
                let send = send_all(&mut sending, messages, self.times);
                let (sent, mut answer) = tokio::join!(send, self.receive(response));
                answer.bytes_sent = sent?;
                Ok(answer)
            }
        }
    }

    /// Opens streams on the present connection. One that takes no more is replaced before the call is begun.
    async fn opener(&mut self) -> Result<&mut SendRequest<Bytes>, Answer> {
        loop {
            let (generation, mut opener) = match self.opener.take() {
                Some(known) if known.0 == self.link.generation() => known,
                _ => self.link.sender().await.map_err(|failure| {
                    Answer::failed(Code::Unavailable, format!("connection error: desc = {failure}"))
                })?,
            };
            match poll_fn(|context| opener.poll_ready(context)).await {
                Ok(()) => return Ok(&mut self.opener.insert((generation, opener)).1),
                Err(_) => self.link.broken(generation),
            }
        }
    }

    fn give_up_connection(&mut self) {
        if let Some((generation, _)) = self.opener.take() {
            self.link.broken(generation);
        }
    }

    async fn receive(&self, response: ResponseFuture) -> Answer {
        match self.read(response).await {
            Ok(answer) => answer,
            Err(answer) => answer,
        }
    }

    /// Takes in what comes during `limit`, and calls that the end.
    async fn receive_for(&self, response: ResponseFuture, limit: Duration) -> Answer {
        match timeout_at(Instant::now() + limit, self.receive(response)).await {
            Ok(answer) => answer,
            Err(_) => Answer::ok(),
        }
    }

    async fn read(&self, response: ResponseFuture) -> Result<Answer, Answer> {
        let response = response.await.map_err(|error| broken(&error))?;
        let (parts, mut body) = response.into_parts();
        if parts.status != StatusCode::OK {
            let text = format!("unexpected HTTP status code received from server: {}", parts.status);
            return Err(Answer::failed(Code::from_http(parts.status), text));
        }
        let mut frames = Frames::new(self.head.max_receive, self.head.keep);
        let received = read_data(&mut body, &mut frames).await?;
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

async fn read_data(body: &mut RecvStream, frames: &mut Frames) -> Result<u64, Answer> {
    let mut received = 0;
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| broken(&error))?;
        received += data.len() as u64;
        // Only fails for a stream that is gone, and then the next read says so.
        let _released = body.flow_control().release_capacity(data.len());
        frames.take(data).map_err(|error| malformed(&error))?;
    }
    Ok(received)
}

/// Sends messages until there are no more, the time is over, or the server wants no more. Returns the bytes sent.
async fn send_all(
    sending: &mut SendStream<Bytes>,
    messages: Box<dyn Iterator<Item = Result<Bytes, Problem>>>,
    times: StreamTimes,
) -> Result<u64, Problem> {
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
            Err(problem) => {
                sending.send_reset(Reason::CANCEL);
                return Err(problem);
            }
        };
        sent += message.len() as u64;
        if !send_one(sending, message).await {
            return Ok(sent);
        }
    }
    // Only fails for a stream that the server has ended, and then its answer says why.
    let _ended = sending.send_data(Bytes::new(), true);
    Ok(sent)
}

/// Sends a message as the server takes it in. False: it takes in no more.
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

fn status(trailers: &HeaderMap) -> Answer {
    let Some(code) = trailers.get(GRPC_STATUS) else {
        return Answer::failed(Code::Internal, "server closed the stream without sending trailers");
    };
    match Code::from_header(code.as_bytes()) {
        Code::Ok => Answer::ok(),
        code => {
            let message = trailers.get(GRPC_MESSAGE).map(HeaderValue::as_bytes).unwrap_or_default();
            Answer::failed(code, percent_decoded(message))
        }
    }
}

/// The text of a `grpc-message` header. What is not rightly encoded stays as it is.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let byte = match tail {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The answer for a stream that broke, with the codes of gRPC's mapping from HTTP/2.
fn broken(error: &h2::Error) -> Answer {
    let code = match error.reason() {
        Some(Reason::CANCEL) => Code::Canceled,
        Some(Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(Reason::REFUSED_STREAM) | None => Code::Unavailable,
        Some(_) if error.is_go_away() => Code::Unavailable,
        Some(_) => Code::Internal,
    };
    Answer::failed(code, error.to_string())
}

fn malformed(error: &FrameError) -> Answer {
    match error {
        FrameError::TooLong { length, limit } => Answer::failed(
            Code::ResourceExhausted,
            format!("received message larger than max ({length} vs. {limit})"),
        ),
        FrameError::Cut => Answer::failed(Code::Internal, "the server's last message is cut off"),
    }
}

/// At most eight digits and a unit.
fn timeout_header(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let units =
        [(timeout.as_micros(), 'u'), (timeout.as_millis(), 'm'), (u128::from(timeout.as_secs()), 'S')];
    let fitting = units.into_iter().find(|(amount, _)| *amount <= MOST);
    let (amount, unit) = fitting.unwrap_or((MOST, 'S'));
    HeaderValue::try_from(format!("{}{unit}", amount.max(1)))
        .unwrap_or_else(|_| HeaderValue::from_static("1S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_messages_are_decoded() {
        assert_eq!(percent_decoded(b"caf%C3%A9 100%"), "café 100%");
        assert_eq!(percent_decoded(b"%zz%4"), "%zz%4");
        assert_eq!(percent_decoded(b"%2"), "%2");
        assert_eq!(percent_decoded(b""), "");
    }

    #[test]
    fn a_timeout_fits_its_header() {
        let header = |timeout| timeout_header(timeout).to_str().unwrap().to_owned();
        assert_eq!(header(Duration::from_secs(20)), "20000000u");
        assert_eq!(header(Duration::from_secs(200)), "200000m");
        assert_eq!(header(Duration::from_secs(1_000_000)), "1000000S");
        assert_eq!(header(Duration::from_nanos(1)), "1u");
        assert_eq!(header(Duration::MAX), "99999999S");
    }
}
