//! A call on its way through the layers: its request, its deadline, its caller.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Request};
use inrush_telemetry::trace_context::TraceContext;
use tokio::time::Instant;

mod method;

pub(crate) use self::method::Method;

/// A request, and what the layers know about the call.
#[derive(Debug)]
pub(crate) struct Call<B> {
    pub(crate) request: Request<B>,
    pub(crate) method: Method,
    pub(crate) received_at: Instant,
    pub(crate) meta: CallMeta,
}

/// What a service gets of a call besides its message.
#[derive(Clone, Debug)]
pub(crate) struct CallMeta {
    /// When the caller stops waiting.
    pub(crate) deadline: Deadline,
    /// The span that work for the call belongs to, if the call is traced.
    pub(crate) trace: Option<TraceContext>,
    /// Who calls.
    pub(crate) caller: Caller,
}

impl<B> Call<B> {
    /// A call that has just been received: not traced, anonymous, and with no deadline but `now` until a layer sets them.
    pub(crate) fn new(request: Request<B>) -> Self {
        let method = Method::of(request.uri().path());
        let received_at = Instant::now();
        Self { request, method, received_at, meta: CallMeta::new(received_at) }
    }
}

impl CallMeta {
    /// The meta of a call that tonic has handed to a generated service.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::new(Instant::now()))
    }

    fn new(now: Instant) -> Self {
        Self { deadline: Deadline::at(now), trace: None, caller: Caller::Anonymous }
    }
}

/// The caller of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// The caller is unknown: authentication is not configured.
    Anonymous,
}

/// A header name that is checked once: it is looked up in every call.
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Longer timeouts are cut to this, so that sums stay in range.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a call expires; every call has a deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    given: Option<Duration>,
}

impl Deadline {
    /// The caller's own deadline, or else `default` after the call was received.
    pub(crate) fn of(headers: &HeaderMap, received_at: Instant, default: Duration) -> Self {
        let given = time_left(headers);
        Self { at: received_at + given.unwrap_or(default).min(MAX_TIMEOUT), given }
    }

    /// A deadline that is not the caller's.
    const fn at(at: Instant) -> Self {
        Self { at, given: None }
    }

    /// Whether the call had expired when it was received.
    pub(crate) fn has_passed(self) -> bool {
        self.given.is_some_and(|given| given.is_zero())
    }

    /// When a unary call expires.
    pub(crate) const fn instant(self) -> Instant {
        self.at
    }

    /// When a stream expires: only if its caller set a deadline.
    pub(crate) fn of_stream(self) -> Option<Instant> {
        self.given.map(|_| self.at)
    }
}

/// The time in `grpc-timeout`: up to eight digits and a unit. An invalid value is ignored.
fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        time_left(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]))
    }

    #[test]
    fn every_unit_is_parsed() {
        for (text, millis) in
            [("2H", 7_200_000), ("3M", 180_000), ("4S", 4000), ("5m", 5), ("6000u", 6), ("7000000n", 7)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(read("0n"), Some(Duration::ZERO));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
    }

    #[test]
    fn an_invalid_timeout_is_ignored() {
        for text in ["", "S", "5", "5x", "-5S", "+5S", "5 S", "123456789S", "1.5S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
