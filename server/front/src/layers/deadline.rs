//! The time that a call may take.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{Either, Map},
};
use http::{Extensions, HeaderMap, Request, Response};
use tokio::time::{Instant, Timeout, error::Elapsed, timeout_at};
use tonic::body::Body;
use tower::Service;

use super::answer;
use crate::status::Failure;

/// Longest time that a caller's own deadline is taken for; a longer one is as good as none, and sums stay in range.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a call's time is up; every call has one among its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    of_caller: bool,
}

impl Deadline {
    /// When the answer to a call is worth nothing any more.
    pub(crate) fn of(extensions: &Extensions) -> Instant {
        extensions.get().map_or_else(Instant::now, |deadline: &Self| deadline.at)
    }

    /// When a stream has to end: only if its caller said so.
    pub(crate) fn of_stream(extensions: &Extensions) -> Option<Instant> {
        extensions.get().filter(|deadline: &&Self| deadline.of_caller).map(|deadline| deadline.at)
    }
}

/// Gives every call its deadline and answers for it when that has passed.
#[derive(Clone)]
pub(super) struct WithDeadline<S> {
    inner: S,
    default: Duration,
}

impl<S> WithDeadline<S> {
    pub(super) fn around(inner: S, default: Duration) -> Self {
        Self { inner, default }
    }
}

type Outcome<E> = Result<Response<Body>, E>;

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for WithDeadline<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<
        Ready<Outcome<S::Error>>,
        Map<Timeout<S::Future>, fn(Result<Outcome<S::Error>, Elapsed>) -> Outcome<S::Error>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let of_caller = time_left(request.headers());
        if of_caller.is_some_and(|left| left.is_zero()) {
            return Either::Left(ready(too_late()));
        }
        let left = of_caller.unwrap_or(self.default).min(LONGEST);
        let deadline = Deadline { at: Instant::now() + left, of_caller: of_caller.is_some() };
        request.extensions_mut().insert(deadline);
        // A timer is set only if the first look finds no answer: refusals from memory never need one.
        let in_time = timeout_at(deadline.at, self.inner.call(request));
        Either::Right(in_time.map(|outcome| outcome.unwrap_or_else(|_elapsed| too_late())))
    }
}

fn too_late<E>() -> Outcome<E> {
    Ok(answer(Failure::DeadlineExceeded))
}

/// The time in `grpc-timeout`: up to eight digits and a unit. What cannot be read counts as not given.
fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
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
    fn every_unit_is_read() {
        for (text, millis) in
            [("2H", 7_200_000), ("3M", 180_000), ("4S", 4000), ("5m", 5), ("6000u", 6), ("7000000n", 7)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(read("0n"), Some(Duration::ZERO));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
    }

    #[test]
    fn what_is_no_timeout_counts_as_not_given() {
        for text in ["", "S", "5", "5x", "-5S", "+5S", "5 S", "123456789S", "1.5S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
