//! Following a ticket: at the server's interval, through failures, with positions that never rise, to the
//! final state.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, future::join_all};
use inrush_client::{
    CallError, ClientSettings, Ended, Enqueued, RetryPolicy, Ticket, TicketState, TicketStatus, proto,
};
use tokio::time::Instant;
use tonic::Status;

use crate::fake::{Answer, Fake, in_state, ordered, queued, refused, waiting};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> ClientSettings {
    ClientSettings::new("http://memory")
        .retry(RetryPolicy { no_answer_timeout: 60 * SECOND, ..RetryPolicy::never() })
}

fn ticket() -> Ticket {
    Ticket::from("signed-ticket")
}

#[tokio::test(start_paused = true)]
async fn polls_at_the_interval_of_the_server_until_the_state_is_final() {
    let fake = Arc::new(Fake::default().poll(|call, _| {
        Answer::Say(match call {
            1 => waiting(30, 20),
            2 => waiting(10, 7),
            3 => in_state(proto::TicketState::Processing),
            _ => ordered(),
        })
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.follow(&ticket()).try_collect().await.unwrap();
    let seen: Vec<_> = statuses.iter().map(|status| (status.state, status.position)).collect();
    assert_eq!(
        seen,
        [
            (TicketState::Waiting, Some(30)),
            (TicketState::Waiting, Some(10)),
            (TicketState::Processing, None),
            (TicketState::Ordered, None),
        ]
    );
    let gaps = fake.gaps();
    for (gap, poll_after) in gaps.iter().zip([20, 7, 1]) {
        let expected = Duration::from_secs(poll_after);
        assert!((expected..=expected + Duration::from_millis(5)).contains(gap), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn following_from_a_known_status_saves_the_first_poll() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Say(ordered())));
    let client = fake.client(settings()).await;
    let known = TicketStatus::from(waiting(5, 12));
    let begun = Instant::now();
    let statuses: Vec<TicketStatus> = client.follow_from(&ticket(), &known).try_collect().await.unwrap();
    assert_eq!((statuses.len(), fake.calls()), (1, 1));
    assert!(begun.elapsed() >= 12 * SECOND);
    let ended = TicketStatus::from(ordered());
    assert!(client.follow_from(&ticket(), &ended).next().await.is_none(), "a final ticket is not followed");
}

#[tokio::test(start_paused = true)]
async fn positions_never_rise_within_an_epoch() {
    let status = |epoch: u64, position| proto::TicketStatus {
        ticket_id: format!("shoes/{epoch}/100"),
        ..waiting(position, 1)
    };
    let fake = Arc::new(Fake::default().poll(move |call, _| {
        Answer::Say(match call {
            1 => status(1, 50),
            2 => status(1, 60),
            3 => status(1, 40),
            4 => status(2, 70),
            5 => status(1, 39),
            6 => status(2, 75),
            _ => ordered(),
        })
    }));
    let client = fake.client(settings()).await;
    let known = TicketStatus::from(status(1, 55));
    let positions: Vec<_> =
        client.follow_from(&ticket(), &known).map(|status| status.unwrap().position).collect().await;
    assert_eq!(positions, [Some(50), Some(50), Some(40), Some(70), Some(70), None]);
}

#[tokio::test(start_paused = true)]
async fn retries_during_an_outage_at_the_interval_of_the_server() {
    let fake = Arc::new(Fake::default().poll(|call, _| match call {
        1 => Answer::Say(waiting(9, 5)),
        2..=6 => Answer::Fail(Status::unavailable("away")),
        _ => Answer::Say(ordered()),
    }));
    let client = fake.client(settings()).await;
    let statuses: Vec<TicketStatus> = client.follow(&ticket()).try_collect().await.unwrap();
    assert_eq!(statuses.len(), 2);
    assert!(fake.gaps().iter().all(|gap| *gap >= 5 * SECOND), "{:?}", fake.gaps());
}

#[tokio::test(start_paused = true)]
async fn ends_after_the_no_answer_timeout() {
    let fake = Arc::new(Fake::default().poll(|call, _| match call {
        1 => Answer::Say(waiting(9, 5)),
        _ => Answer::Fail(Status::unavailable("away")),
    }));
    let client = fake.client(settings()).await;
    let begun = Instant::now();
    let mut statuses = client.follow(&ticket());
    assert!(statuses.next().await.unwrap().is_ok());
    let error = statuses.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Unavailable(failure) if failure.ended == Ended::NoAnswer), "{error}");
    assert!(statuses.next().await.is_none());
    assert!(begun.elapsed() >= 60 * SECOND && begun.elapsed() < 80 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_ends_it_immediately() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Fail(Status::not_found("no such ticket"))));
    let client = fake.client(settings()).await;
    let items: Vec<_> = client.follow(&ticket()).collect().await;
    assert!(matches!(&items[..], [Err(CallError::NotFound(_))]), "{items:?}");
    assert_eq!(fake.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_tickets_are_followed_to_their_final_states() {
    const CROWD: usize = 300;
    let fake = Arc::new(Fake::default().poll(|call, _| {
        // The first answers postpone every poll, the next ones let some tickets become final.
        let round = u64::try_from(call / CROWD).unwrap();
        Answer::Say(if call % 3 == 0 && round > 0 { ordered() } else { waiting(100, 1 + round) })
    }));
    let client = fake.client(settings()).await;
    let endings = join_all((0..CROWD).map(|number| {
        let mut statuses = client.follow(&Ticket::from(number.to_string()));
        async move {
            let mut last = None;
            while let Some(status) = statuses.try_next().await.unwrap() {
                last = Some(status.state);
            }
            last
        }
    }))
    .await;
    assert!(endings.iter().all(|last| *last == Some(TicketState::Ordered)));
}

fn lost() -> proto::TicketStatus {
    in_state(proto::TicketState::Lost)
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_lost_while_it_is_followed_is_restored() {
    let fake = Fake::default()
        .poll(|call, _| {
            Answer::Say(match call {
                1 => waiting(3, 1),
                2 => lost(),
                _ => ordered(),
            })
        })
        .enqueue(|call, request| {
            let previous = if call == 1 { "" } else { "signed-ticket" };
            assert_eq!((request.previous_ticket.as_str(), request.buyer_id.as_str()), (previous, "ann"));
            assert_eq!((request.units, &*request.payload), (2, &b"red"[..]));
            Answer::Say(queued(9))
        });
    let client = Arc::new(fake).client(settings()).await;
    let Enqueued::Queued { ticket, .. } = client.enqueue("shoes", "ann", 2, "red").await.unwrap() else {
        panic!("she is in the queue")
    };
    let mut following = client.follow(&ticket);
    let statuses: Vec<TicketStatus> = (&mut following).try_collect().await.unwrap();
    let seen: Vec<_> = statuses.iter().map(|status| (status.state, status.position)).collect();
    let waiting = TicketState::Waiting;
    assert_eq!(seen, [(waiting, Some(3)), (waiting, Some(9)), (TicketState::Ordered, None)]);
    assert_eq!(following.ticket(), &ticket);
}

#[tokio::test(start_paused = true)]
async fn a_lost_ticket_that_is_refused_stays_lost_and_is_tried_again() {
    let fake = Fake::default().poll(|_, _| Answer::Say(lost())).enqueue(|call, _| {
        Answer::Say(if call < 3 { refused(proto::RefusalReason::Held) } else { queued(4) })
    });
    let client = Arc::new(fake).client(settings()).await;
    let ticket = ticket().requested_with("shoes", "ann", 1, "");
    let statuses: Vec<TicketStatus> = client.follow(&ticket).take(3).try_collect().await.unwrap();
    let states: Vec<TicketState> = statuses.iter().map(|status| status.state).collect();
    assert_eq!(states, [TicketState::Lost, TicketState::Lost, TicketState::Waiting]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_ticket_of_unknown_origin_is_reported() {
    let fake = Arc::new(Fake::default().poll(|_, _| Answer::Say(lost())));
    let client = fake.client(settings()).await;
    let first = client.follow(&ticket()).next().await.unwrap().unwrap();
    assert_eq!(first.state, TicketState::Lost);
}
