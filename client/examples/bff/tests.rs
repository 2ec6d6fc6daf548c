//! The HTTP interface against a scripted Inrush.

#[path = "../../tests/it/fake.rs"]
mod fake;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use inrush_client::{
    ClientSettings, Code, RetryPolicy,
    proto::{self, CancelResponse, EnqueueResponse, enqueue_response::Outcome},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

use self::fake::{Answer, Fake, Step, failure, in_state, ordered, overloaded, queued, refused, waiting};
use crate::{api, trace};

/// More than any response here.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

struct Phone {
    router: Router,
    stop: CancellationToken,
}

impl Phone {
    async fn of(fake: impl Into<Arc<Fake>>) -> Self {
        Self::with_watches(fake, 10).await
    }

    async fn with_watches(fake: impl Into<Arc<Fake>>, max_watches: u32) -> Self {
        let settings = ClientSettings::new("http://memory")
            .retry(RetryPolicy::never())
            .on_request(trace::propagate_trace);
        let client = fake.into().client(settings).await;
        let stop = CancellationToken::new();
        Self { router: api::router(client, max_watches, stop.clone()), stop }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Response<Body> {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn json(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap())
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn enqueue_returns_the_ticket_and_its_status() {
    let phone = Phone::of(Fake::default().enqueue(|_, request| {
        assert_eq!((request.sale_id.as_str(), request.buyer_id.as_str()), ("shoes", "ann b"));
        assert_eq!((request.units, &request.payload[..]), (2, &b"size 43"[..]));
        Answer::Say(queued(41))
    }))
    .await;
    let body = r#"{"units": 2, "payload": "size 43"}"#;
    let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann%20b", body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({
            "outcome": "queued",
            "ticket": "signed-ticket",
            "repeated": false,
            "status": {
                "ticket_id": "shoes/1/100", "state": "WAITING", "final": false,
                "position": 41, "poll_after_ms": 1000,
            },
        })
    );
}

#[tokio::test]
async fn the_trace_context_of_a_request_is_propagated() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let fake = Arc::new(Fake::default().enqueue(|_, _| Answer::Say(queued(1))));
    let phone = Phone::of(Arc::clone(&fake)).await;
    let body = || Request::post("/sales/shoes/buyers/ann");
    for request in [body().header("traceparent", TRACE), body()] {
        let response = phone.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let traces: Vec<_> = fake.seen().iter().map(|seen| seen.header("traceparent")).collect();
    assert_eq!(traces, [Some(TRACE.to_owned()), None]);
}

#[tokio::test]
async fn an_empty_body_requests_one_unit() {
    let phone = Phone::of(Fake::default().enqueue(|_, request| {
        assert_eq!((request.units, request.payload.len()), (1, 0));
        Answer::Say(EnqueueResponse { outcome: Some(Outcome::Bypass(proto::Bypass {})) })
    }))
    .await;
    let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann", "").await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"outcome": "bypass"})));
}

#[tokio::test]
async fn a_refusal_is_not_an_error() {
    let phone =
        Phone::of(Fake::default().enqueue(|_, _| Answer::Say(refused(proto::RefusalReason::SoldOut)))).await;
    let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann", "{}").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer, json!({"outcome": "refused", "reason": "SOLD_OUT", "retry_after_ms": 9000}));
}

#[tokio::test]
async fn invalid_bodies_are_refused() {
    let phone = Phone::of(Fake::default()).await;
    for body in ["nonsense", "{\"units\": -1}", "{\"unit\": 1}"] {
        let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann", body).await;
        assert_eq!((status, &answer["reason"]), (StatusCode::BAD_REQUEST, &json!("BAD_BODY")), "{answer}");
    }
    let large = format!("{{\"payload\": \"{}\"}}", "x".repeat(20_000));
    let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann", &large).await;
    assert_eq!((status, &answer["reason"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("BAD_BODY")));
}

#[tokio::test]
async fn get_returns_the_status() {
    let phone = Phone::of(Fake::default().poll(|_, request| {
        assert_eq!(request.ticket, "a/b c");
        Answer::Say(ordered())
    }))
    .await;
    let (status, answer) = phone.json(Method::GET, "/tickets/a%2Fb%20c", "").await;
    assert_eq!(status, StatusCode::OK);
    let expected =
        json!({"ticket_id": "shoes/1/100", "state": "ORDERED", "final": true, "order_id": "order-7"});
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn delete_cancels_the_ticket() {
    let phone = Phone::of(Fake::default().cancel(|call, _| {
        let state = if call == 1 { proto::TicketState::Cancelled } else { proto::TicketState::Processing };
        Answer::Say(CancelResponse { cancelled: call == 1, status: Some(in_state(state)) })
    }))
    .await;
    let (status, answer) = phone.json(Method::DELETE, "/tickets/t", "").await;
    assert_eq!((status, &answer["cancelled"]), (StatusCode::OK, &json!(true)));
    let (status, answer) = phone.json(Method::DELETE, "/tickets/t", "").await;
    assert_eq!((status, &answer["cancelled"]), (StatusCode::OK, &json!(false)));
    assert_eq!(answer["status"]["state"], "PROCESSING");
}

#[tokio::test]
async fn every_failure_has_its_status_code() {
    let codes = [
        (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        (Code::NotFound, StatusCode::NOT_FOUND),
        (Code::FailedPrecondition, StatusCode::CONFLICT),
        (Code::ResourceExhausted, StatusCode::TOO_MANY_REQUESTS),
        (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        (Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT),
        (Code::Unauthenticated, StatusCode::BAD_GATEWAY),
        (Code::Internal, StatusCode::BAD_GATEWAY),
    ];
    for (code, expected) in codes {
        let phone = Phone::of(
            Fake::default().poll(move |_, _| Answer::Fail(failure(code, "WORD", "shard 7 of redis"))),
        )
        .await;
        let (status, answer) = phone.json(Method::GET, "/tickets/t", "").await;
        assert_eq!((status, &answer["reason"]), (expected, &json!("WORD")), "{code:?}");
        let shown = answer["message"].as_str().unwrap().contains("redis");
        assert_eq!(shown, !status.is_server_error(), "{code:?}: what is behind is not shown");
    }
}

#[tokio::test]
async fn an_overload_has_a_retry_after_header() {
    let delay = Duration::from_millis(1_200);
    let phone =
        Phone::of(Fake::default().poll(move |_, _| Answer::Fail(overloaded(Code::Unavailable, delay)))).await;
    let response = phone.send(Method::GET, "/tickets/t", "").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
}

#[tokio::test]
async fn invalid_fields_are_listed() {
    let phone = Phone::of(Fake::default().enqueue(|_, _| {
        let details = ErrorDetails::with_bad_request_violation("units", "must be at least 1");
        Answer::Fail(Status::with_error_details(Code::InvalidArgument, "wrong request", details))
    }))
    .await;
    let (status, answer) = phone.json(Method::POST, "/sales/shoes/buyers/ann", r#"{"units": 0}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer["fields"], json!([{"field": "units", "problem": "must be at least 1"}]));
}

#[tokio::test]
async fn events_contain_every_change_and_end_with_the_final_one() {
    let phone = Phone::of(
        Fake::default()
            .watch(|_, _| vec![Step::Say(waiting(2, 1)), Step::Say(waiting(1, 1)), Step::Say(ordered())]),
    )
    .await;
    let response = phone.send(Method::GET, "/tickets/t/events", "").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let events = text(response).await;
    let states: Vec<Value> = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let positions: Vec<_> = states.iter().map(|state| state["position"].as_u64()).collect();
    assert_eq!(positions, [Some(2), Some(1), None]);
    assert_eq!(states[2]["order_id"], "order-7");
    assert_eq!(events.matches("event: status\n").count(), 3);
}

#[tokio::test]
async fn a_lost_ticket_is_restored_while_its_events_are_sent() {
    let fake = Fake::default()
        .watch(|call, _| match call {
            1 => vec![Step::Say(in_state(proto::TicketState::Lost)), Step::Stay],
            _ => vec![Step::Say(ordered())],
        })
        .enqueue(|_, request| {
            assert_eq!((request.sale_id.as_str(), request.buyer_id.as_str()), ("shoes", "ann"));
            assert_eq!((request.units, &*request.payload), (2, &b"red"[..]));
            assert_eq!(request.previous_ticket, "t");
            Answer::Say(queued(4))
        });
    let phone = Phone::of(fake).await;
    let path = "/tickets/t/events?sale=shoes&buyer=ann&units=2&payload=red";
    let events = text(phone.send(Method::GET, path, "").await).await;
    assert!(events.contains("order-7") && !events.contains("LOST"), "{events}");
}

#[tokio::test]
async fn events_end_with_the_error() {
    let gone = || failure(Code::NotFound, "TICKET_UNKNOWN", "no such ticket");
    let phone = Phone::of(Fake::default().watch(move |_, _| vec![Step::Break(gone())])).await;
    let events = text(phone.send(Method::GET, "/tickets/t/events", "").await).await;
    assert!(events.starts_with("event: problem\n"), "{events}");
    assert!(events.contains("TICKET_UNKNOWN"), "{events}");
}

#[tokio::test]
async fn watches_are_limited_and_end_at_shutdown() {
    let watched = Fake::default().watch(|_, _| vec![Step::Say(waiting(1, 1)), Step::Stay]);
    let phone = Phone::with_watches(watched, 1).await;
    let first = phone.send(Method::GET, "/tickets/t/events", "").await;
    assert_eq!(first.status(), StatusCode::OK);
    let second = phone.send(Method::GET, "/tickets/t/events", "").await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.headers()[header::RETRY_AFTER], "5");
    drop(first);
    let third = phone.send(Method::GET, "/tickets/t/events", "").await;
    assert_eq!(third.status(), StatusCode::OK, "a phone that leaves makes room");
    phone.stop.cancel();
    text(third).await;
}

#[tokio::test]
async fn the_page_loads_nothing_from_other_hosts() {
    let phone = Phone::of(Fake::default()).await;
    let response = phone.send(Method::GET, "/", "").await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = text(response).await;
    assert!(page.contains("viewport"), "made for phones");
    for elsewhere in ["http://", "https://", "src=", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_return_a_problem() {
    let phone = Phone::of(Fake::default()).await;
    let (status, answer) = phone.json(Method::GET, "/nothing", "").await;
    assert_eq!((status, &answer["reason"]), (StatusCode::NOT_FOUND, &json!("NO_SUCH_PATH")));
    let (status, answer) = phone.json(Method::PUT, "/tickets/t", "").await;
    assert_eq!((status, &answer["reason"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("NO_SUCH_METHOD")));
}

#[tokio::test]
async fn responses_must_not_be_cached() {
    let phone = Phone::of(Fake::default().poll(|_, _| Answer::Say(waiting(1, 1)))).await;
    let response = phone.send(Method::GET, "/tickets/t", "").await;
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
}
