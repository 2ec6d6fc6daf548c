//! What is retried, for how long, and within which budget.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use inrush_client::{CallError, ClientSettings, Ended, Enqueued, RetryPolicy, Ticket, proto};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::fake::{Answer, Fake, overloaded, queued, refused};

const SECOND: Duration = Duration::from_secs(1);

fn settings(policy: RetryPolicy) -> ClientSettings {
    ClientSettings::new("http://memory").retry(policy)
}

/// An Inrush that fails this many enqueues before it queues one.
fn recovering(failures: usize, failure: fn() -> Status) -> Arc<Fake> {
    Arc::new(Fake::default().enqueue(move |call, _| match call <= failures {
        true => Answer::Fail(failure()),
        false => Answer::Say(queued(1)),
    }))
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_retried_after_its_delay() {
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let failure = match code {
            Code::Unavailable => || overloaded(Code::Unavailable, 2 * SECOND),
            _ => || overloaded(Code::ResourceExhausted, 2 * SECOND),
        };
        let fake = recovering(2, failure);
        let client = fake.client(settings(RetryPolicy::default())).await;
        let outcome = client.enqueue("shoes", "ann", 1, "").await.unwrap();
        assert!(matches!(outcome, Enqueued::Queued { .. }));
        assert_eq!(fake.calls(), 3);
        assert!(fake.gaps().iter().all(|gap| *gap >= 2 * SECOND), "{:?}", fake.gaps());
    }
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_server_is_retried_with_backoff() {
    let fake = recovering(3, || Status::unavailable("draining"));
    let client = fake.client(settings(RetryPolicy::default())).await;
    client.enqueue("shoes", "ann", 1, "").await.unwrap();
    assert_eq!(fake.calls(), 4);
    let bounds = [50, 100, 200].map(Duration::from_millis);
    // Tokio's clock has a granularity of a millisecond.
    assert!(fake.gaps().iter().zip(bounds).all(|(gap, bound)| *gap <= bound + Duration::from_millis(2)));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Fail(Status::unavailable("store away"))));
    let client = fake.client(settings(RetryPolicy { max_attempts: 3, ..RetryPolicy::default() })).await;
    let error = client.poll(&Ticket::from("t")).await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable(failure) if failure.ended == Ended::AttemptsUsed));
    assert_eq!((fake.calls(), error.failure().attempts), (3, 3));
    assert_eq!(
        error.to_string(),
        "store away (UNAVAILABLE); gave up after 3 attempts: all attempts of the retry policy used"
    );
}

#[tokio::test(start_paused = true)]
async fn permanent_failures_are_not_retried() {
    for failure in [
        Status::invalid_argument("units"),
        Status::resource_exhausted("over the rate, and no word when to come back"),
        Status::internal("a bug"),
        Status::aborted("another version"),
    ] {
        let code = failure.code();
        let fake = Arc::new(Fake::default().enqueue(move |_, _| Answer::Fail(failure.clone())));
        let client = fake.client(settings(RetryPolicy::default())).await;
        let error = client.enqueue("shoes", "ann", 1, "").await.unwrap_err();
        assert_eq!((error.failure().code, error.failure().ended), (code, Ended::NotRetryable));
        assert_eq!(fake.calls(), 1, "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_a_retry_delay_is_not_retried() {
    let fake = Arc::new(Fake::default().enqueue(|_, _| Answer::Say(refused(proto::RefusalReason::Held))));
    let client = fake.client(settings(RetryPolicy::default())).await;
    let before = Instant::now();
    assert!(matches!(client.enqueue("shoes", "ann", 1, "").await.unwrap(), Enqueued::Refused(_)));
    assert_eq!((fake.calls(), before.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_is_retried_before_the_deadline() {
    let fake = Arc::new(Fake::default().enqueue(|call, _| match call {
        1 => Answer::Silence,
        2 => Answer::Fail(Status::deadline_exceeded("too slow")),
        _ => Answer::Say(queued(1)),
    }));
    let policy = RetryPolicy { attempt_timeout: 2 * SECOND, ..RetryPolicy::default() };
    let client = fake.client(settings(policy)).await;
    client.enqueue("shoes", "ann", 1, "").await.unwrap();
    assert_eq!(fake.calls(), 3);
    assert!(fake.gaps()[0] >= 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_all_attempts_together() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Silence));
    let policy = RetryPolicy { max_attempts: 100, attempt_timeout: 3 * SECOND, ..RetryPolicy::default() };
    let client = fake.client(settings(policy).call_deadline(10 * SECOND)).await;
    let before = Instant::now();
    let error = client.poll(&Ticket::from("t")).await.unwrap_err();
    assert!(
        matches!(&error, CallError::DeadlineExceeded(failure) if failure.ended == Ended::OutOfTime),
        "{error}"
    );
    assert!(before.elapsed() <= 10 * SECOND + Duration::from_millis(2), "{:?}", before.elapsed());
    assert!(fake.calls() >= 3, "{} attempts", fake.calls());
    for seen in fake.seen() {
        let left = 10 * SECOND - (seen.at - before);
        assert!(seen.timeout().unwrap() <= left.min(3 * SECOND) + Duration::from_millis(2), "{seen:?}");
    }
    assert!(error.message().contains("no answer from Inrush at memory within"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_deadline_is_not_started() {
    let fake =
        Arc::new(Fake::default().poll(|_, _| Answer::Fail(overloaded(Code::Unavailable, 30 * SECOND))));
    let client = fake.client(settings(RetryPolicy::default())).await;
    let before = Instant::now();
    let error = client.poll(&Ticket::from("t")).await.unwrap_err();
    assert_eq!((before.elapsed(), fake.calls()), (Duration::ZERO, 1));
    let failure = error.failure();
    assert_eq!((failure.ended, failure.retry_after), (Ended::OutOfTime, Some(30 * SECOND)));
    assert_eq!(error.reason(), Some("OVERLOADED"));
}

#[tokio::test(start_paused = true)]
async fn a_clone_can_have_another_deadline() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Silence));
    let client = fake.client(settings(RetryPolicy::never())).await.with_deadline(SECOND);
    let before = Instant::now();
    client.poll(&Ticket::from("t")).await.unwrap_err();
    assert!(before.elapsed() <= SECOND + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn all_retries_of_a_client_share_one_budget() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Fail(Status::unavailable("away"))));
    let policy = RetryPolicy { calls_per_retry: 5, reserve_per_second: 1, ..RetryPolicy::default() };
    let client = fake.client(settings(policy)).await;
    let ticket = Ticket::from("t");
    let calls = (0..100).map(|_| client.poll(&ticket));
    let errors: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap_err).collect();
    // 100 calls earn 20 retries, and the reserve of a window of 10 s is 10.
    assert_eq!(fake.calls(), 100 + 20 + 10);
    let spent: Vec<_> = errors.iter().filter(|error| error.failure().ended == Ended::BudgetSpent).collect();
    assert!(spent.len() >= 70, "{} of 100", spent.len());
    assert!(spent[0].to_string().contains("retry budget used up"), "{}", spent[0]);
}
