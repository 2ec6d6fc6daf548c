//! Replies become outcomes, and failures become the errors that callers branch on.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use inrush_client::{
    CallError, Cancellation, ClientSettings, Durability, Enqueued, Refusal, RefusalReason, Ticket,
    TicketState,
    proto::{
        self, BatchPollStatusResponse, BatchPollStatusResult, CancelResponse, EnqueueResponse,
        batch_poll_status_result::Result as PollResult, enqueue_response::Outcome,
    },
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::{Answer, Fake, failure, in_state, ordered, queued, refused, waiting};

fn settings() -> ClientSettings {
    ClientSettings::new("http://memory")
}

#[tokio::test]
async fn enqueue_returns_the_ticket_and_its_position() {
    let fake = Arc::new(Fake::default().enqueue(|_, request| {
        assert_eq!((request.sale_id.as_str(), request.buyer_id.as_str()), ("shoes", "ann"));
        assert_eq!((request.units, &request.payload[..]), (2, &b"size 43"[..]));
        Answer::Say(queued(41))
    }));
    let client = fake.client(settings()).await;
    let Enqueued::Queued { ticket, status, repeated, durability } =
        client.enqueue("shoes", "ann", 2, "size 43").await.unwrap()
    else {
        panic!("not queued");
    };
    assert_eq!(ticket.as_str(), "signed-ticket");
    assert_eq!((status.state, status.position), (TicketState::Waiting, Some(41)));
    assert_eq!(status.poll_after, Some(Duration::from_secs(1)));
    assert_eq!((repeated, durability), (false, Durability::Fsync));
}

#[tokio::test]
async fn refusals_and_bypass_are_values() {
    let fake = Arc::new(Fake::default().enqueue(|call, _| {
        Answer::Say(match call {
            1 => refused(proto::RefusalReason::SoldOut),
            2 => EnqueueResponse {
                outcome: Some(Outcome::Refused(proto::Refused {
                    reason: proto::RefusalReason::NotOpen.into(),
                    open_time: Some(prost_types::Timestamp { seconds: 1_000, nanos: 0 }),
                    ..Default::default()
                })),
            },
            _ => EnqueueResponse { outcome: Some(Outcome::Bypass(proto::Bypass {})) },
        })
    }));
    let client = fake.client(settings()).await;
    let enqueue = || client.enqueue("shoes", "ann", 1, "");
    let sold_out = Refusal { reason: RefusalReason::SoldOut, retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(enqueue().await.unwrap(), Enqueued::Refused(sold_out));
    let open_time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let not_open = Refusal { reason: RefusalReason::NotOpen { open_time }, retry_after: None };
    assert_eq!(enqueue().await.unwrap(), Enqueued::Refused(not_open));
    assert_eq!(enqueue().await.unwrap(), Enqueued::Bypass);
    assert_eq!(fake.calls(), 3, "no business outcome is retried");
}

#[tokio::test]
async fn poll_returns_the_status() {
    let fake = Arc::new(Fake::default().poll(|_, request| {
        assert_eq!(request.ticket, "signed-ticket");
        Answer::Say(ordered())
    }));
    let client = fake.client(settings()).await;
    let status = client.poll(&Ticket::from("signed-ticket")).await.unwrap();
    assert_eq!((status.state, status.order_id.as_deref()), (TicketState::Ordered, Some("order-7")));
    assert_eq!((status.position, status.poll_after), (None, None));
}

#[tokio::test]
async fn poll_many_sends_batches_and_keeps_the_order() {
    let fake = Arc::new(Fake::default().poll_many(|_, request| {
        let result = |ticket: String| match ticket.parse::<u64>() {
            Ok(number) => PollResult::Status(waiting(number, 1)),
            Err(_) => PollResult::Error(proto::TicketError { reason: "BAD_TICKET".into(), message: ticket }),
        };
        let results =
            request.tickets.into_iter().map(|ticket| BatchPollStatusResult { result: Some(result(ticket)) });
        Answer::Say(BatchPollStatusResponse { results: results.collect() })
    }));
    let client = fake.client(settings()).await;
    let mut tickets: Vec<Ticket> = (1..=600).map(|number| Ticket::from(number.to_string())).collect();
    tickets[300] = Ticket::from("forged");
    let standings = client.poll_many(&tickets).await.unwrap();
    assert_eq!(standings.len(), 600);
    for (number, standing) in (1..).zip(&standings) {
        match standing {
            Ok(status) => assert_eq!(status.position, Some(number)),
            Err(error) => assert_eq!((number, error.to_string().as_str()), (301, "forged (BAD_TICKET)")),
        }
    }
    assert!(standings[300].is_err());
    assert_eq!(fake.calls(), 3, "256 to a request");
    assert!(client.poll_many(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn poll_many_refuses_a_reply_with_too_few_results() {
    let fake =
        Arc::new(Fake::default().poll_many(|_, _| Answer::Say(BatchPollStatusResponse { results: vec![] })));
    let client = fake.client(settings()).await;
    let error = client.poll_many(&[Ticket::from("a")]).await.unwrap_err();
    assert!(matches!(&error, CallError::Other(_)), "{error}");
    assert!(error.to_string().contains("the number of results differs"), "{error}");
}

#[tokio::test]
async fn cancel_returns_whether_it_was_in_time() {
    let fake = Arc::new(Fake::default().cancel(|call, _| {
        let (cancelled, state) = match call {
            1 => (true, proto::TicketState::Cancelled),
            _ => (false, proto::TicketState::Processing),
        };
        Answer::Say(CancelResponse { cancelled, status: Some(in_state(state)) })
    }));
    let client = fake.client(settings()).await;
    let ticket = Ticket::from("t");
    let first = client.cancel(&ticket).await.unwrap();
    assert!(matches!(&first, Cancellation::Cancelled(status) if status.state == TicketState::Cancelled));
    let second = client.cancel(&ticket).await.unwrap();
    assert!(matches!(&second, Cancellation::TooLate(status) if status.state == TicketState::Processing));
}

type IsKind = fn(&CallError) -> bool;

#[tokio::test]
async fn every_code_becomes_its_error_kind() {
    let kinds: [(Code, IsKind); 11] = [
        (Code::InvalidArgument, |error| matches!(error, CallError::InvalidArgument { .. })),
        (Code::NotFound, |error| matches!(error, CallError::NotFound(_))),
        (Code::AlreadyExists, |error| matches!(error, CallError::AlreadyExists(_))),
        (Code::FailedPrecondition, |error| matches!(error, CallError::FailedPrecondition(_))),
        (Code::ResourceExhausted, |error| matches!(error, CallError::ResourceExhausted(_))),
        (Code::Unauthenticated, |error| matches!(error, CallError::Unauthenticated(_))),
        (Code::PermissionDenied, |error| matches!(error, CallError::PermissionDenied(_))),
        (Code::Internal, |error| matches!(error, CallError::Other(_))),
        (Code::Aborted, |error| matches!(error, CallError::Other(_))),
        (Code::Unimplemented, |error| matches!(error, CallError::Other(_))),
        (Code::DataLoss, |error| matches!(error, CallError::Other(_))),
    ];
    for (code, is_expected) in kinds {
        let fake =
            Arc::new(Fake::default().poll(move |_, _| Answer::Fail(failure(code, "SOME_REASON", "say why"))));
        let client = fake.client(settings()).await;
        let error = client.poll(&Ticket::from("t")).await.unwrap_err();
        assert!(is_expected(&error), "{code:?} became {error:?}");
        assert_eq!((error.reason(), error.message()), (Some("SOME_REASON"), "say why"));
        assert_eq!(error.failure().code, code);
        assert_eq!(fake.calls(), 1, "{code:?} must not be repeated");
    }
}

#[tokio::test]
async fn violations_contain_the_fields() {
    let fake = Arc::new(Fake::default().enqueue(|_, _| {
        let details = ErrorDetails::with_bad_request_violation("units", "must be 1 to 1,000,000, is 0");
        Answer::Fail(Status::with_error_details(Code::InvalidArgument, "the request is wrong", details))
    }));
    let client = fake.client(settings()).await;
    let error = client.enqueue("shoes", "ann", 0, "").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request is wrong (INVALID_ARGUMENT); units: must be 1 to 1,000,000, is 0"
    );
    let CallError::InvalidArgument { violations, .. } = error else { panic!("{error}") };
    assert_eq!(violations[0].field, "units");
}

#[tokio::test]
async fn a_request_over_the_size_limit_is_not_sent() {
    let fake = Arc::new(Fake::default().enqueue(|_, _| Answer::Say(queued(1))));
    let client = fake.client(settings().max_request_bytes(1_000)).await;
    let error = client.enqueue("shoes", "ann", 1, vec![0; 2_000]).await.unwrap_err();
    assert!(matches!(&error, CallError::InvalidArgument { .. }), "{error}");
    assert!(error.message().contains("max_request_bytes, 1000"), "{error}");
    assert_eq!(fake.calls(), 0);
    client.enqueue("shoes", "ann", 1, vec![0; 500]).await.unwrap();
}

#[tokio::test]
async fn a_reply_over_the_size_limit_is_an_error() {
    let fake = Arc::new(
        Fake::default()
            .poll(|_, _| Answer::Say(proto::TicketStatus { reason: "x".repeat(2_000), ..waiting(1, 1) })),
    );
    let client = fake.client(settings().max_reply_bytes(1_000)).await;
    let error = client.poll(&Ticket::from("t")).await.unwrap_err();
    assert!(matches!(&error, CallError::Other(_)), "{error}");
    assert_eq!((error.failure().code, fake.calls()), (Code::OutOfRange, 1));
}
