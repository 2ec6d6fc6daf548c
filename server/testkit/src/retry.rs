//! Calls of a patient caller: on a machine that is busy with other work, a healthy server sheds calls and misses deadlines.

use std::{fmt::Display, time::Duration};

use tokio::time::{Instant, sleep};

/// How long a call is retried: longer than any overload of a test machine lasts.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The delay between two attempts. A failed attempt took time itself, so it need not grow.
const BACKOFF: Duration = Duration::from_millis(50);

/// Repeats a call while it fails with errors that are transient, and returns its reply.
///
/// # Panics
/// On an error that is not transient, and on a transient one after two minutes.
pub async fn retry<T, E, F>(what: &str, is_transient: impl Fn(&E) -> bool, mut call: impl FnMut() -> F) -> T
where
    E: Display,
    F: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    loop {
        match call().await {
            Ok(reply) => return reply,
            Err(error) => {
                let elapsed = started.elapsed();
                assert!(is_transient(&error), "{what}: {error}");
                assert!(elapsed < TIMEOUT, "{what}: still failing after {elapsed:?}: {error}");
            }
        }
        sleep(BACKOFF).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn transient_errors_are_retried() {
        let mut attempts = 0;
        let reply = retry(
            "a call",
            |error| *error == "busy",
            || {
                attempts += 1;
                let result = if attempts < 3 { Err("busy") } else { Ok(attempts) };
                async move { result }
            },
        );
        assert_eq!(reply.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "a call: wrong")]
    async fn other_errors_are_not() {
        retry::<(), _, _>("a call", |error| *error == "busy", || async { Err("wrong") }).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "a call: still failing after 120")]
    async fn retries_are_bounded() {
        retry::<(), _, _>("a call", |_| true, || async { Err("busy") }).await;
    }
}
