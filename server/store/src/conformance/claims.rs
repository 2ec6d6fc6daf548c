//! Claims: order, fence, stock, skipped cancelled tickets.

use std::time::Duration;

use inrush_core::{
    sale::SaleSettings,
    store::{ConfigureResult, LeaseToken, MAX_BATCH},
    ticket::{Seq, TicketState},
};

use super::{
    case::cases,
    context::{Context, START, created_at},
    sale::{Sale, ordered, rejected, retry, seqs},
};

cases! {
    the_queue_is_claimed_in_order,
    a_claim_has_what_a_worker_needs,
    an_empty_claim_uses_no_fence,
    cancelled_tickets_are_skipped,
    due_retries_are_claimed_first,
    each_attempt_is_counted,
    held_fulfilment_claims_nothing,
    a_claim_of_zero_entries_changes_nothing,
    the_stock_bounds_what_is_claimed,
    no_ticket_overtakes_the_head_of_the_queue,
    released_units_unblock_the_standby_queue,
    retries_are_claimed_while_the_queue_is_blocked,
    a_sale_without_stock_has_no_bound_on_claims,
    a_closed_sale_claims_retries_only,
    a_claim_passes_a_bounded_number_of_cancelled_tickets,
    cancelled_tickets_at_the_end_are_passed,
    a_full_claim_of_retries_and_the_queue,
}

async fn the_queue_is_claimed_in_order(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(10).await;
    assert_eq!(seqs(&sale.claim(3).await), [1, 2, 3]);
    assert_eq!(seqs(&sale.claim(1).await), [4]);
    sale.fill(2).await;
    assert_eq!(seqs(&sale.claim(MAX_BATCH).await), [5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(seqs(&sale.claim(1).await), NOTHING);
    assert_eq!(sale.ticket_state(5).await, TicketState::Processing);
}

async fn a_claim_has_what_a_worker_needs(context: Context) {
    let lease = Duration::from_millis(12_345);
    let sale = context.sale("phone", SaleSettings { lease, ..SaleSettings::of_stock(100) }).await;
    sale.fill(3).await;
    let mut last_fence = 0;
    for seq in 1..=3 {
        let claim = sale.claim(1).await;
        assert_eq!((created_at(claim.epochs.present()), claim.created_at), (START, START));
        assert_eq!((claim.lease, seqs(&claim)), (lease, vec![seq]));
        assert!(claim.fence > last_fence);
        last_fence = claim.fence;
    }
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.waiting.tickets, ledger.in_flight.tickets), (0, 3));
}

async fn an_empty_claim_uses_no_fence(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(2).await;
    let first = sale.claim(1).await.fence;
    assert_eq!(sale.claim(0).await.fence, 0);
    let second = sale.claim(5).await.fence;
    assert_eq!(sale.claim(5).await.fence, 0);
    assert_eq!(second, first + 1);
}

async fn cancelled_tickets_are_skipped(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(10).await;
    sale.cancel(&[1, 2, 5, 6, 10]).await;
    assert_eq!(seqs(&sale.claim(2).await), [3, 4]);
    assert_eq!(sale.snapshot().await.cursor, 4);
    assert_eq!(seqs(&sale.claim(2).await), [7, 8]);
    assert_eq!(seqs(&sale.claim(2).await), [9]);
    assert_eq!(sale.snapshot().await.cursor, 10);
}

async fn due_retries_are_claimed_first(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(12).await;
    for after in [500, 300, 300, 100, 0] {
        sale.work_one(retry(after, "busy")).await;
    }
    assert_eq!(sale.snapshot().await.cursor, 5);
    context.advance(300);
    assert_eq!(seqs(&sale.claim(5).await), [5, 4, 2, 3, 6]);
    context.advance(199);
    assert_eq!(seqs(&sale.claim(1).await), [7]);
    context.advance(1);
    assert_eq!(seqs(&sale.claim(2).await), [1, 8]);
}

async fn each_attempt_is_counted(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 4, ..SaleSettings::of_stock(1) }).await;
    sale.fill(1).await;
    for attempt in 1..=4 {
        let claim = sale.claim(1).await;
        assert_eq!((seqs(&claim), claim.entries[0].attempt), (vec![1], attempt));
        if attempt % 2 == 0 {
            context.advance(30_000);
            sale.recover().await;
        } else {
            sale.settle(LeaseToken { seq: 1, fence: claim.fence }, retry(0, "busy")).await;
        }
    }
    assert_eq!(sale.dead_letters(0, 1).await[0].claimed.attempt, 4);
}

async fn held_fulfilment_claims_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(4).await;
    sale.work_one(retry(0, "busy")).await;
    sale.cancel(&[2]).await;
    sale.change(|settings| settings.fulfilment_held = true).await;
    let before = sale.snapshot().await;
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    assert_eq!(sale.snapshot().await, before);
    sale.change(|settings| settings.fulfilment_held = false).await;
    assert_eq!(seqs(&sale.claim(5).await), [1, 3, 4]);
}

async fn a_claim_of_zero_entries_changes_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(3).await;
    sale.cancel(&[1]).await;
    let before = sale.snapshot().await;
    sale.claim(0).await;
    assert_eq!(sale.snapshot().await, before);
}

const NOTHING: [Seq; 0] = [];

/// Two units of stock, five tickets queued.
async fn standby(context: &Context) -> Sale {
    let sale = context.sale("phone", SaleSettings { cap: Some(5), ..SaleSettings::of_stock(2) }).await;
    sale.fill(5).await;
    sale
}

async fn the_stock_bounds_what_is_claimed(context: Context) {
    let sale = standby(&context).await;
    assert_eq!(seqs(&sale.claim(5).await), [1, 2]);
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    assert_eq!(sale.snapshot().await.cursor, 2);
}

async fn no_ticket_overtakes_the_head_of_the_queue(context: Context) {
    let sale = context
        .sale("phone", SaleSettings { cap: Some(20), unit_limit: 5, ..SaleSettings::of_stock(6) })
        .await;
    for (buyer, units) in [("ann", 3), ("bob", 5), ("cleo", 1), ("dan", 4), ("eve", 2)] {
        sale.enqueue_units(buyer, units).await;
    }
    assert_eq!(seqs(&sale.claim(5).await), [1]);
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    sale.cancel(&[2]).await;
    assert_eq!(seqs(&sale.claim(5).await), [3]);
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    sale.cancel(&[4]).await;
    assert_eq!(seqs(&sale.claim(5).await), [5]);
    // A cancelled ticket in front of the one that has to wait is still passed.
    assert_eq!(sale.enqueue_units("fay", 1).await, 6);
    assert_eq!(sale.enqueue_units("gil", 1).await, 7);
    sale.cancel(&[6]).await;
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    assert_eq!(sale.snapshot().await.cursor, 6);
}

async fn released_units_unblock_the_standby_queue(context: Context) {
    let sale = standby(&context).await;
    sale.work_one(ordered("o-1")).await;
    sale.work_one(rejected("no")).await;
    assert_eq!(sale.claim_one().await.seq, 3);
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    sale.release(&[1]).await;
    assert_eq!(seqs(&sale.claim(5).await), [4]);
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    assert!(matches!(sale.change(|settings| settings.stock = Some(3)).await, ConfigureResult::Done(_)));
    assert_eq!(seqs(&sale.claim(5).await), [5]);
}

async fn retries_are_claimed_while_the_queue_is_blocked(context: Context) {
    let sale = standby(&context).await;
    sale.work_one(retry(10, "busy")).await;
    sale.work_one(ordered("o-2")).await;
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    context.advance(10);
    assert_eq!(seqs(&sale.claim(5).await), [1]);
}

async fn a_sale_without_stock_has_no_bound_on_claims(context: Context) {
    let sale = context.sale("lunch", SaleSettings::without_stock(3)).await;
    for round in 0..4 {
        sale.fill(3).await;
        assert_eq!(seqs(&sale.claim(5).await), [round * 3 + 1, round * 3 + 2, round * 3 + 3]);
    }
    assert_eq!(sale.snapshot().await.ledger.in_flight.units, 12);
}

async fn a_closed_sale_claims_retries_only(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(4).await;
    sale.work_one(retry(10, "busy")).await;
    let lease_token = sale.claim_one().await;
    sale.cancel(&[3]).await;
    sale.close().await;
    assert_eq!(seqs(&sale.claim(5).await), NOTHING);
    assert_eq!(sale.snapshot().await.cursor, 2);
    sale.settle(lease_token, retry(5, "busy")).await;
    context.advance(10);
    assert_eq!(seqs(&sale.claim(5).await), [2, 1]);
    assert_eq!(sale.ticket_state(4).await, TicketState::Expired);
}

async fn a_claim_passes_a_bounded_number_of_cancelled_tickets(context: Context) {
    let walk = 4 * MAX_BATCH as u64;
    let sale = context.sale("phone", SaleSettings::of_stock(10_000)).await;
    sale.fill(2 * walk + 10).await;
    let cancelled: Vec<Seq> = (1..=2 * walk + 5).collect();
    sale.cancel(&cancelled).await;
    for step in 1..=2 {
        let claim = sale.claim(7).await;
        assert_eq!(seqs(&claim), NOTHING);
        assert_eq!(claim.backlog.next_claim_in, Some(Duration::ZERO));
        assert_eq!(sale.snapshot().await.cursor, step * walk);
        assert_eq!(sale.position(2 * walk + 6).await, 1);
    }
    assert_eq!(sale.claim(7).await.entries.len(), 5);
    // Claimed tickets count as well.
    let sale = context.sale("watch", SaleSettings::of_stock(10_000)).await;
    sale.fill(2 * walk).await;
    let all_but_three: Vec<Seq> = (1..=2 * walk).filter(|seq| ![3, 500, walk + 1].contains(seq)).collect();
    sale.cancel(&all_but_three).await;
    assert_eq!(seqs(&sale.claim(7).await), [3, 500]);
    assert_eq!(sale.snapshot().await.cursor, walk);
    assert_eq!(seqs(&sale.claim(7).await), [walk + 1]);
}

async fn cancelled_tickets_at_the_end_are_passed(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(3).await;
    sale.cancel(&[1, 2, 3]).await;
    assert_eq!(sale.snapshot().await.cursor, 0);
    assert_eq!(seqs(&sale.claim(1).await), NOTHING);
    assert_eq!(sale.snapshot().await.cursor, 3);
    sale.fill(1).await;
    assert_eq!(seqs(&sale.claim(1).await), [4]);
}

async fn a_full_claim_of_retries_and_the_queue(context: Context) {
    let half = MAX_BATCH / 2;
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    sale.fill(600).await;
    sale.claim(half).await;
    context.advance(30_000);
    assert_eq!(sale.recover().await.reclaimed, half as u64);
    let claim = sale.claim(MAX_BATCH).await;
    assert_eq!(seqs(&claim), (1..=MAX_BATCH as u64).collect::<Vec<_>>());
    let attempts: Vec<u32> = claim.entries.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, [vec![2; half], vec![1; half]].concat());
}
