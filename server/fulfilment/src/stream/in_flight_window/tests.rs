use std::time::Duration;

use super::*;

const LANE: LaneId = LaneId(0);

/// A window with one stream that is up, and the receiver that keeps it up.
fn window(ceiling: usize) -> (Arc<InFlightWindow>, mpsc::Receiver<Batch>) {
    let window = InFlightWindow::new(ConcurrencyLimit::between(ceiling, ceiling), 1, Statistics::default());
    (Arc::clone(&window), open(&window, Credit::Unlimited))
}

fn open(window: &InFlightWindow, credit: Credit) -> mpsc::Receiver<Batch> {
    let (sender, queue) = mpsc::channel(window.max_queue_len());
    window.open(LANE, sender, credit);
    queue
}

fn entries(seqs: std::ops::RangeInclusive<u64>, fence: u64, due: Duration) -> Vec<(String, InFlightEntry)> {
    let lease = Duration::from_secs(30);
    let at = Instant::now() + due;
    seqs.map(|seq| {
        let lease_token = LeaseToken { seq, fence };
        let sale = "phone".parse().unwrap();
        let entry = InFlightEntry {
            sale,
            lease_token,
            attempt: 1,
            lane: LANE,
            sent: None,
            span: None,
            lease,
            renew_at: at,
            overdue_at: at + lease,
        };
        (format!("phone/1/{seq}"), entry)
    })
    .collect()
}

fn free(window: &InFlightWindow) -> usize {
    window.lock().free()
}

#[test]
fn no_permit_can_be_reserved_while_no_stream_is_up() {
    let window = InFlightWindow::new(ConcurrencyLimit::between(8, 8), 2, Statistics::default());
    assert_eq!(window.share(1), PermitShare::None);
    assert!(window.reserve(1).is_none());
}

#[test]
fn free_permits_are_divided_and_few_are_reported_as_few() {
    let (window, _queue) = window(64);
    assert_eq!(window.share(3), PermitShare::Enough(21));
    let max = window.reserve(61).unwrap();
    assert_eq!(window.share(2), PermitShare::Few(1));
    let rest = window.reserve(10).unwrap();
    assert_eq!((rest.permits(), window.share(1)), (3, PermitShare::None));
    drop((max, rest));
    assert_eq!(free(&window), 64);
}

#[test]
fn a_permit_is_in_use_until_its_outcome_is_recorded() {
    let (window, _queue) = window(4);
    window.reserve(3).unwrap().fill(entries(1..=2, 1, Duration::ZERO)).unwrap();
    assert_eq!((free(&window), window.unsettled()), (2, 0), "the permit that was not used is free");
    let answered =
        window.answer([("phone/1/2", 0, AnswerKind::Done), ("phone/1/9", 0, AnswerKind::Done)].into_iter());
    assert_eq!(answered[0].as_ref().map(|entry| entry.lease_token.seq), Some(2));
    assert!(answered[1].is_none());
    assert_eq!((free(&window), window.unsettled()), (3, 1));
    window.settled(1);
    assert_eq!((free(&window), window.unsettled()), (3, 0));
}

#[test]
fn claims_stop_when_unsettled_outcomes_reach_the_maximum() {
    let (window, _queue) = window(2);
    for seq in [1, 3, 5] {
        let Some(permits) = window.reserve(2) else { break };
        permits.fill(entries(seq..=seq + 1, 1, Duration::ZERO)).unwrap();
        let ids = [format!("phone/1/{seq}"), format!("phone/1/{}", seq + 1)];
        window.answer(ids.iter().map(|id| (id.as_str(), 0, AnswerKind::Done)));
    }
    assert_eq!((window.unsettled(), window.share(1)), (4, PermitShare::None));
    window.settled(1);
    assert_eq!(free(&window), 1);
}

#[test]
fn a_reservation_on_a_broken_stream_returns_its_entries_even_after_a_reconnect() {
    let (window, _queue) = window(4);
    let permits = window.reserve(2).unwrap();
    assert!(window.close(LANE).is_empty());
    let _queue = open(&window, Credit::Unlimited);
    let unsent = permits.fill(entries(1..=2, 1, Duration::ZERO)).unwrap_err();
    assert_eq!((unsent.len(), window.unsettled()), (2, 2));
    window.settled(2);
    assert_eq!(free(&window), 4);
}

#[test]
fn closing_a_stream_removes_its_entries_once() {
    let (window, _queue) = window(4);
    window.reserve(4).unwrap().fill(entries(1..=4, 1, Duration::ZERO)).unwrap();
    assert_eq!(window.close(LANE).len(), 4);
    assert!(window.close(LANE).is_empty());
    assert_eq!(window.unsettled(), 4);
    assert_eq!(
        window.withdraw([("phone/1/1".to_owned(), LeaseToken { seq: 1, fence: 1 })].into_iter()).len(),
        0
    );
}

#[test]
fn credit_bounds_unanswered_entries_as_soon_as_it_is_advertised() {
    let (window, _queue) = window(100);
    window.reserve(10).unwrap().fill(entries(1..=10, 1, Duration::ZERO)).unwrap();
    window.grant(LANE, 4);
    assert_eq!(free(&window), 0);
    window.grant(LANE, 0);
    assert_eq!(free(&window), 0);
    window.grant(LANE, 12);
    assert_eq!(free(&window), 2);
}

#[test]
fn leases_are_due_until_they_are_extended() {
    let (window, _queue) = window(10);
    window.reserve(2).unwrap().fill(entries(1..=2, 1, Duration::from_secs(15))).unwrap();
    let now = Instant::now();
    let due = window.take_due(now);
    assert!(due.leases.is_empty() && due.overdue.is_empty());
    let at = due.next.unwrap();
    let leases = window.take_due(at).leases;
    assert_eq!(leases.len(), 2);
    let again_at = window.take_due(at).next.unwrap();
    assert_eq!(window.take_due(again_at).leases.len(), 2, "they were not extended");
    window.mark_extended(leases.into_iter().map(|lease| (lease, at + Duration::from_secs(25))));
    assert!(window.take_due(again_at).leases.is_empty());
    let end = window.take_due(at + Duration::from_secs(30));
    assert_eq!((end.overdue.len(), end.next, window.unsettled()), (2, None, 2));
}

#[test]
fn only_the_claim_whose_lease_was_lost_is_removed() {
    let (window, _queue) = window(10);
    window.reserve(1).unwrap().fill(entries(1..=1, 1, Duration::ZERO)).unwrap();
    let remove_lost = window.take_due(Instant::now()).leases;
    // Meanwhile the lease expired and the ticket was claimed again.
    window.reserve(1).unwrap().fill(entries(1..=1, 2, Duration::ZERO)).unwrap();
    assert_eq!(free(&window), 9, "the ticket has one permit");
    assert_eq!(window.remove_lost(remove_lost.into_iter()), 0);
    let remove_lost = window.take_due(Instant::now()).leases;
    assert_eq!(window.remove_lost(remove_lost.into_iter()), 1);
    assert_eq!(free(&window), 10);
}
