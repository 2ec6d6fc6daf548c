//! Watching a ticket: broken streams are reopened, and no status is repeated.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use inrush_client::{
    CallError, ClientSettings, Code, Ended, RetryPolicy, Ticket, TicketState, TicketStatus, proto,
};
use tokio::time::Instant;
use tonic::Status;

use crate::fake::{Answer, Fake, Step, TcpServer, in_state, ordered, overloaded, queued, refused, waiting};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> ClientSettings {
    ClientSettings::new("http://memory")
}

fn ticket() -> Ticket {
    Ticket::from("signed-ticket")
}

fn positions(statuses: &[TicketStatus]) -> Vec<Option<u64>> {
    statuses.iter().map(|status| status.position).collect()
}

#[tokio::test(start_paused = true)]
async fn yields_every_change_and_ends_after_a_final_state() {
    let fake = Arc::new(Fake::default().watch(|_, request| {
        assert_eq!(request.ticket, "signed-ticket");
        vec![
            Step::Say(waiting(2, 1)),
            Step::Say(waiting(1, 1)),
            Step::Say(in_state(proto::TicketState::Processing)),
            Step::Say(ordered()),
            Step::Stay,
        ]
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!(positions(&statuses), [Some(2), Some(1), None, None]);
    assert_eq!(statuses[3].state, TicketState::Ordered);
    assert_eq!(fake.calls(), 1);
    assert_eq!(fake.seen()[0].timeout(), None, "a watch may last");
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_reopened_without_repeating_a_status() {
    let fake = Arc::new(Fake::default().watch(|call, _| match call {
        1 => vec![
            Step::Say(waiting(9, 1)),
            Step::Say(waiting(7, 1)),
            Step::Break(Status::unavailable("drain")),
        ],
        2 => vec![Step::Break(Status::unavailable("not yet"))],
        // The same status with another poll interval, and then a worse position: neither is a change.
        3 => vec![Step::Say(waiting(7, 3)), Step::Say(waiting(8, 1)), Step::Say(waiting(4, 1))],
        _ => vec![Step::Say(ordered())],
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!(positions(&statuses), [Some(9), Some(7), Some(4), None]);
    assert_eq!(fake.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_watch_waits_for_the_delay_of_an_overloaded_server() {
    let fake = Arc::new(Fake::default().watch(|call, _| match call {
        1 => vec![Step::Break(overloaded(Code::Unavailable, 8 * SECOND))],
        _ => vec![Step::Say(ordered())],
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!(statuses.len(), 1);
    assert!(fake.gaps()[0] >= 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_open_is_retried() {
    let fake = Arc::new(Fake::default().watch(|call, _| match call {
        1 => vec![Step::Silence],
        _ => vec![Step::Say(ordered())],
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!((statuses.len(), fake.calls()), (1, 2));
    assert!(fake.gaps()[0] >= RetryPolicy::default().attempt_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stays_broken_ends_with_its_error() {
    let fake = Arc::new(Fake::default().watch(|_, _| vec![Step::Break(Status::unavailable("away"))]));
    let client = fake.client(settings()).await;
    let begun = Instant::now();
    let items: Vec<_> = client.watch(&ticket()).collect().await;
    let [Err(error)] = &items[..] else { panic!("{items:?}") };
    assert!(matches!(error, CallError::Unavailable(failure) if failure.ended == Ended::NoAnswer), "{error}");
    assert!((60 * SECOND..70 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_used_up_retry_budget_slows_a_watch_and_does_not_end_it() {
    let fake = Arc::new(Fake::default().watch(|call, _| match call {
        1..=10 => vec![Step::Break(Status::unavailable("away"))],
        _ => vec![Step::Say(ordered())],
    }));
    let policy = RetryPolicy { reserve_per_second: 0, calls_per_retry: 1_000, ..RetryPolicy::default() };
    let client = fake.client(settings().retry(policy.clone())).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!(statuses.len(), 1);
    assert!(fake.gaps().iter().all(|gap| *gap >= policy.max_backoff), "{:?}", fake.gaps());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_healthy_stream_is_no_retry() {
    let fake = Arc::new(Fake::default().watch(|call, _| match call {
        1..=50 => vec![Step::Say(waiting(9, 1)), Step::Rest(30 * SECOND)],
        _ => vec![Step::Say(ordered())],
    }));
    let policy = RetryPolicy { reserve_per_second: 0, calls_per_retry: 1_000, ..RetryPolicy::default() };
    let client = fake.client(settings().retry(policy.clone())).await;
    let statuses: Vec<TicketStatus> = client.watch(&ticket()).try_collect().await.unwrap();
    assert_eq!(positions(&statuses), [Some(9), None], "the same status is yielded once");
    let longest = 30 * SECOND + policy.first_backoff + Duration::from_millis(5);
    assert!(fake.gaps().iter().all(|gap| *gap <= longest), "{:?}", fake.gaps());
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_ends_it_immediately() {
    let fake = Arc::new(Fake::default().watch(|_, _| vec![Step::Break(Status::not_found("no such ticket"))]));
    let client = fake.client(settings()).await;
    let items: Vec<_> = client.watch(&ticket()).collect().await;
    assert!(matches!(&items[..], [Err(CallError::NotFound(_))]), "{items:?}");
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_watch_reconnects_to_a_restarted_server() {
    let first = Arc::new(Fake::default().watch(|_, _| vec![Step::Say(waiting(9, 1)), Step::Stay]));
    let server = TcpServer::start(&first);
    let address = server.address();
    let client = inrush_client::Client::connect(ClientSettings::new(server.url())).await.unwrap();
    let mut statuses = client.watch(&ticket());
    assert_eq!(statuses.next().await.unwrap().unwrap().position, Some(9));
    server.kill();
    let second = Arc::new(Fake::default().watch(|_, _| vec![Step::Say(waiting(9, 1)), Step::Say(ordered())]));
    let server = TcpServer::start_at(&second, address, None);
    let last = statuses.next().await.unwrap().unwrap();
    assert_eq!(last.state, TicketState::Ordered, "a status is not repeated");
    assert!(statuses.next().await.is_none());
    server.kill();
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_lost_while_it_is_watched_is_restored() {
    let fake = Fake::default()
        .watch(|call, _| match call {
            1 => vec![Step::Say(waiting(3, 1)), Step::Say(in_state(proto::TicketState::Lost)), Step::Stay],
            2 => vec![Step::Say(in_state(proto::TicketState::Lost)), Step::Stay],
            _ => vec![Step::Say(waiting(9, 1)), Step::Say(ordered())],
        })
        .enqueue(|call, request| {
            assert_eq!((request.previous_ticket.as_str(), request.units), ("signed-ticket", 2));
            match call {
                1 => Answer::Say(refused(proto::RefusalReason::Held)),
                _ => Answer::Say(queued(9)),
            }
        });
    let client = Arc::new(fake).client(settings()).await;
    let ticket = ticket().requested_with("shoes", "ann", 2, "");
    let statuses: Vec<TicketStatus> = client.watch(&ticket).try_collect().await.unwrap();
    let states: Vec<TicketState> = statuses.iter().map(|status| status.state).collect();
    let expected = [TicketState::Waiting, TicketState::Lost, TicketState::Waiting, TicketState::Ordered];
    assert_eq!(states, expected);
}
