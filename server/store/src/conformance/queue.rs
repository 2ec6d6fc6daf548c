//! The status of waiting tickets, and cancelling them.

use std::collections::BTreeSet;

use inrush_core::{
    sale::SaleSettings,
    store::{Admission, CancelResult, Refusal},
    ticket::{MAX_SEQ, Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, rejected, retry},
};

cases! {
    a_seq_that_was_never_assigned_has_no_status,
    a_look_up_replies_in_the_order_of_its_seqs,
    every_status_is_reported,
    positions_are_exact_among_cancellations,
    a_position_never_rises,
    each_cancellation_has_its_result,
    a_seq_twice_in_one_batch_is_cancelled_once,
    a_cancellation_frees_the_units_immediately,
    a_ticket_that_was_claimed_is_not_cancelled,
    nothing_is_cancelled_in_a_closed_sale,
    a_cancelled_ticket_stays_cancelled,
    a_buyer_after_only_cancelled_tickets_is_first,
}

async fn a_seq_that_was_never_assigned_has_no_status(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    assert_eq!(sale.look_up(&[0, 1]).await, [None, None]);
    sale.fill(2).await;
    for seq in [0, 3, 64, 4096, 4097, MAX_SEQ, MAX_SEQ + 1, u64::MAX] {
        assert_eq!(sale.look_up(&[seq]).await, [None], "{seq}");
        assert_eq!(sale.cancel(&[seq]).await, [CancelResult::Unknown], "{seq}");
    }
}

async fn a_look_up_replies_in_the_order_of_its_seqs(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(4).await;
    sale.claim(1).await;
    sale.cancel(&[3]).await;
    let waiting = |position| Some(TicketStatus::Waiting { position, attempted: false });
    assert_eq!(
        sale.look_up(&[4, 9, 3, 1, 2, 4]).await,
        [
            waiting(2),
            None,
            Some(TicketStatus::Cancelled),
            Some(TicketStatus::Processing),
            waiting(1),
            waiting(2)
        ]
    );
    let reply = context.store.look_up(&sale.id, &[]).await.unwrap();
    assert_eq!((reply.measured_pace, reply.statuses), (0, vec![]));
}

async fn every_status_is_reported(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(10) }).await;
    sale.fill(8).await;
    sale.work_one(ordered("o-1")).await;
    sale.work_one(ordered("o-2")).await;
    sale.release(&[2]).await;
    sale.work_one(rejected("no such address")).await;
    sale.work_one(retry(0, "timeout")).await;
    sale.change(|settings| settings.max_attempts = 2).await;
    sale.work_one(retry(1000, "busy")).await;
    sale.claim_one().await;
    sale.cancel(&[7]).await;
    let expected = |last| {
        [
            Some(TicketStatus::Ordered { order_id: "o-1".to_owned() }),
            Some(TicketStatus::Released { order_id: "o-2".to_owned() }),
            Some(TicketStatus::Rejected { reason: "no such address".to_owned() }),
            Some(TicketStatus::Dead { reason: "timeout".to_owned() }),
            Some(TicketStatus::Waiting { position: 1, attempted: true }),
            Some(TicketStatus::Processing),
            Some(TicketStatus::Cancelled),
            Some(last),
        ]
    };
    let all: Vec<Seq> = (1..=8).collect();
    assert_eq!(sale.look_up(&all).await, expected(TicketStatus::Waiting { position: 1, attempted: false }));
    sale.close().await;
    assert_eq!(sale.look_up(&all).await, expected(TicketStatus::Expired));
}

/// What the positions must be, counted one by one.
async fn assert_positions(sale: &Sale, last: Seq, gone: &BTreeSet<Seq>) {
    let waiting: Vec<Seq> = (1..=last).filter(|seq| !gone.contains(seq)).collect();
    for (number, seqs) in waiting.chunks(200).enumerate() {
        for (index, status) in sale.look_up(seqs).await.into_iter().enumerate() {
            let position = (number * 200 + index + 1) as u64;
            assert_eq!(
                status,
                Some(TicketStatus::Waiting { position, attempted: false }),
                "ticket {}",
                seqs[index]
            );
        }
    }
}

async fn positions_are_exact_among_cancellations(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    sale.fill(500).await;
    let mut gone = BTreeSet::new();
    for round in 0..5_u64 {
        let cancelled: Vec<Seq> = (1..=40).map(|step| (step * 37 + round * 101) % 500 + 1).collect();
        sale.cancel(&cancelled).await;
        gone.extend(cancelled);
        assert_positions(&sale, 500, &gone).await;
        let claim = sale.claim(30).await;
        gone.extend(claim.entries.iter().map(|entry| entry.seq));
        assert_positions(&sale, 500, &gone).await;
    }
    let expected = 500 - gone.len() as u64 + 1;
    assert_eq!(
        sale.admit_one(admit_request("late", 1)).await,
        Admission::Queued { seq: 501, position: expected }
    );
}

async fn a_position_never_rises(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(40), ..SaleSettings::of_stock(12) }).await;
    sale.fill(30).await;
    let mut before: Vec<u64> = (1..=30).collect();
    for round in 0..10_u64 {
        match round % 5 {
            0 => drop(sale.claim(3).await),
            1 => drop(sale.cancel(&[30 - round, 20 - round, 12]).await),
            2 => drop(sale.recover().await),
            3 => sale.fill(1).await,
            _ => context.advance(31_000),
        }
        let all: Vec<Seq> = (1..=30).collect();
        for (seq, status) in sale.look_up(&all).await.into_iter().enumerate() {
            if let Some(TicketStatus::Waiting { position, .. }) = status {
                assert!(
                    (1..=before[seq]).contains(&position),
                    "ticket {seq}: {position} after {}",
                    before[seq]
                );
                before[seq] = position;
            }
        }
    }
}

async fn each_cancellation_has_its_result(context: Context) {
    use CancelResult::{AlreadyCancelled, Cancelled, TooLate, Unknown};
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(4).await;
    sale.claim(1).await;
    assert_eq!(sale.cancel(&[4, 0, 1, 5, 2]).await, [Cancelled, Unknown, TooLate, Unknown, Cancelled]);
    assert_eq!(sale.cancel(&[2, 4, 3]).await, [AlreadyCancelled, AlreadyCancelled, Cancelled]);
    assert_eq!(sale.cancel(&[]).await, []);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.cancelled.tickets, ledger.waiting.tickets, ledger.in_flight.tickets), (3, 0, 1));
}

async fn a_seq_twice_in_one_batch_is_cancelled_once(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 3, ..SaleSettings::of_stock(10) }).await;
    sale.enqueue_units("ann", 3).await;
    let replies = sale.cancel(&[1, 1]).await;
    assert_eq!(replies, [CancelResult::Cancelled, CancelResult::AlreadyCancelled]);
    let cancelled = sale.snapshot().await.ledger.cancelled;
    assert_eq!((cancelled.tickets, cancelled.units), (1, 3));
}

async fn a_cancellation_frees_the_units_immediately(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 3, ..SaleSettings::of_stock(3) }).await;
    sale.enqueue_units("ann", 2).await;
    assert_eq!(sale.admit_one(admit_request("bob", 2)).await, Admission::Refused(Refusal::SoldOut));
    sale.cancel(&[1]).await;
    assert_eq!(sale.admit_one(admit_request("bob", 3)).await, Admission::Queued { seq: 2, position: 1 });
}

async fn a_ticket_that_was_claimed_is_not_cancelled(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(10) }).await;
    sale.fill(5).await;
    sale.work_one(ordered("o-1")).await;
    sale.work_one(rejected("no")).await;
    sale.work_one(retry(0, "dead")).await;
    sale.change(|settings| settings.max_attempts = 2).await;
    sale.work_one(retry(0, "waits again")).await;
    let before = sale.snapshot().await.ledger;
    assert_eq!(sale.cancel(&[1, 2, 3, 4]).await, [CancelResult::TooLate; 4]);
    assert_eq!(sale.snapshot().await.ledger, before);
}

async fn nothing_is_cancelled_in_a_closed_sale(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(3).await;
    sale.cancel(&[1]).await;
    sale.close().await;
    assert_eq!(
        sale.cancel(&[1, 2, 4]).await,
        [CancelResult::AlreadyCancelled, CancelResult::TooLate, CancelResult::Unknown]
    );
    assert_eq!(sale.ticket_state(2).await, TicketState::Expired);
}

async fn a_cancelled_ticket_stays_cancelled(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(3).await;
    sale.cancel(&[2]).await;
    sale.claim(3).await;
    assert_eq!(sale.snapshot().await.cursor, 3);
    assert_eq!(sale.ticket_state(2).await, TicketState::Cancelled);
    assert_eq!(sale.cancel(&[2]).await, [CancelResult::AlreadyCancelled]);
    sale.close().await;
    assert_eq!(sale.ticket_state(2).await, TicketState::Cancelled);
}

async fn a_buyer_after_only_cancelled_tickets_is_first(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    sale.fill(700).await;
    let all: Vec<Seq> = (1..=700).collect();
    sale.cancel(&all).await;
    assert_eq!(sale.admit_one(admit_request("ann", 1)).await, Admission::Queued { seq: 701, position: 1 });
    assert_eq!(sale.position(701).await, 1);
}
