//! After an outcome: releases, and dead tickets redriven or discarded.

use inrush_core::{
    sale::SaleSettings,
    store::{Admission, LeaseToken, MAX_BATCH, Refusal, ReleaseResult, SettleResult},
    ticket::{MAX_SEQ, Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, rejected, retry, seqs},
};

cases! {
    an_order_is_released_once,
    only_orders_are_released,
    a_release_frees_the_units,
    orders_of_a_closed_sale_are_released,
    dead_letters_are_listed_in_pages,
    dead_letters_are_listed_by_seq,
    a_redriven_ticket_has_all_attempts_again,
    only_dead_tickets_are_redriven_or_discarded,
    redriven_tickets_are_claimed_before_the_queue,
    a_discarded_ticket_is_rejected,
    discarding_frees_the_units,
    dead_tickets_hold_their_units,
    full_batches_are_settled_and_released,
}

async fn an_order_is_released_once(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 3, ..SaleSettings::of_stock(10) }).await;
    sale.enqueue_units("ann", 3).await;
    sale.work_one(ordered("o-1")).await;
    assert_eq!(sale.release(&[1, 1]).await, [ReleaseResult::Released, ReleaseResult::AlreadyReleased]);
    assert_eq!(sale.release(&[1]).await, [ReleaseResult::AlreadyReleased]);
    assert_eq!(sale.status(1).await, TicketStatus::Released { order_id: "o-1".to_owned() });
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.ordered.units, ledger.released.tickets, ledger.released.units), (0, 1, 3));
}

async fn only_orders_are_released(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(20) }).await;
    sale.fill(6).await;
    sale.work_one(rejected("no")).await;
    sale.work_one(retry(0, "dead")).await;
    sale.change(|settings| settings.max_attempts = 2).await;
    sale.work_one(retry(60_000, "busy")).await;
    sale.claim_one().await;
    sale.cancel(&[5]).await;
    let before = sale.snapshot().await;
    use TicketState::{Cancelled, Dead, Expired, Processing, Rejected, Waiting};
    let states = [Rejected, Dead, Waiting, Processing, Cancelled, Waiting].map(ReleaseResult::NotOrdered);
    assert_eq!(sale.release(&[1, 2, 3, 4, 5, 6]).await, states);
    assert_eq!(sale.release(&[0, 7, MAX_SEQ + 1]).await, [ReleaseResult::Unknown; 3]);
    assert_eq!(sale.snapshot().await, before);
    sale.close().await;
    let states = [Rejected, Dead, Waiting, Processing, Cancelled, Expired].map(ReleaseResult::NotOrdered);
    assert_eq!(sale.release(&[1, 2, 3, 4, 5, 6]).await, states);
    sale.discard(&[2]).await;
    assert_eq!(sale.release(&[2]).await, [ReleaseResult::NotOrdered(Rejected)]);
}

async fn a_release_frees_the_units(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 2, ..SaleSettings::of_stock(2) }).await;
    sale.enqueue_units("ann", 2).await;
    sale.work_one(ordered("o-1")).await;
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, Admission::Refused(Refusal::SoldOut));
    sale.release(&[1]).await;
    assert_eq!(sale.admit_one(admit_request("bob", 2)).await, Admission::Queued { seq: 2, position: 1 });
    assert_eq!(seqs(&sale.claim(1).await), [2]);
}

async fn orders_of_a_closed_sale_are_released(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(2)).await;
    sale.fill(1).await;
    sale.work_one(ordered("o-1")).await;
    sale.close().await;
    assert_eq!(sale.release(&[1]).await, [ReleaseResult::Released]);
    assert_eq!(sale.ticket_state(1).await, TicketState::Released);
}

/// A sale of `count` tickets, all dead but each third one.
async fn sale_with_dead_tickets(context: &Context, count: u64) -> Sale {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(1000) }).await;
    sale.fill(count).await;
    for seq in 1..=count {
        let outcome = if seq % 3 == 0 { ordered("o") } else { retry(0, &format!("reason {seq}")) };
        sale.work_one(outcome).await;
    }
    sale
}

async fn dead_letters_are_listed_in_pages(context: Context) {
    let sale = sale_with_dead_tickets(&context, 20).await;
    let dead: Vec<Seq> = (1..=20).filter(|seq| seq % 3 != 0).collect();
    let mut found = Vec::new();
    loop {
        let page = sale.dead_letters(found.last().copied().unwrap_or(0), 4).await;
        assert!(page.len() <= 4);
        for letter in &page {
            let claimed = &letter.claimed;
            assert_eq!(letter.reason, format!("reason {}", claimed.seq));
            assert_eq!(claimed.attempt, 1);
            assert_eq!(claimed.entry.buyer.as_str(), format!("buyer-{}", claimed.seq));
            found.push(claimed.seq);
        }
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(found, dead);
    assert_eq!(sale.dead_letters(0, 0).await, []);
    assert_eq!(sale.dead_letters(3, 1).await[0].claimed.seq, 4);
    assert_eq!(sale.dead_letters(20, 9).await, []);
    assert_eq!(sale.dead_letters(MAX_SEQ, 9).await, []);
    assert_eq!(sale.dead_letters(0, 100).await.len(), dead.len());
}

async fn dead_letters_are_listed_by_seq(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(1000) }).await;
    sale.fill(12).await;
    let mut leases = Vec::new();
    for _ in 0..12 {
        leases.push(sale.claim_one().await);
    }
    for index in [10, 1, 8, 0, 9, 2] {
        context.advance(1);
        assert_eq!(sale.settle(leases[index], retry(0, "x")).await, SettleResult::Done(TicketState::Dead));
    }
    let letters = sale.dead_letters(0, 100).await;
    assert_eq!(letters.iter().map(|letter| letter.claimed.seq).collect::<Vec<_>>(), [1, 2, 3, 9, 10, 11]);
}

async fn a_redriven_ticket_has_all_attempts_again(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 2, ..SaleSettings::of_stock(10) }).await;
    sale.fill(1).await;
    sale.work_one(retry(0, "one")).await;
    sale.work_one(retry(0, "two")).await;
    assert_eq!(sale.redrive(&[1]).await, [true]);
    assert_eq!(sale.status(1).await, TicketStatus::Waiting { position: 1, attempted: true });
    assert_eq!(sale.dead_letters(0, 10).await, []);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.dead.tickets, ledger.waiting.tickets, ledger.retrying.tickets), (0, 1, 1));
    for attempt in 1..=2 {
        let claim = sale.claim(1).await;
        assert_eq!(claim.entries[0].attempt, attempt);
        sale.settle(LeaseToken { seq: 1, fence: claim.fence }, retry(0, "again")).await;
    }
    assert_eq!(sale.status(1).await, TicketStatus::Dead { reason: "again".to_owned() });
}

async fn only_dead_tickets_are_redriven_or_discarded(context: Context) {
    let sale = sale_with_dead_tickets(&context, 4).await;
    sale.fill(3).await;
    sale.claim(1).await;
    sale.cancel(&[6]).await;
    let before = sale.snapshot().await;
    assert_eq!(sale.redrive(&[3, 5, 6, 7, 8, 0, u64::MAX]).await, [false; 7]);
    assert_eq!(sale.discard(&[3, 5, 6, 7, 8, 0, u64::MAX]).await, [false; 7]);
    assert_eq!(sale.snapshot().await, before);
    assert_eq!(sale.redrive(&[1, 1, 2]).await, [true, false, true]);
    assert_eq!(sale.discard(&[1, 4, 4]).await, [false, true, false]);
}

async fn redriven_tickets_are_claimed_before_the_queue(context: Context) {
    let sale = sale_with_dead_tickets(&context, 5).await;
    sale.fill(2).await;
    context.advance(10);
    sale.redrive(&[4]).await;
    context.advance(10);
    sale.redrive(&[1, 2]).await;
    assert_eq!(seqs(&sale.claim(10).await), [4, 1, 2, 6, 7]);
}

async fn a_discarded_ticket_is_rejected(context: Context) {
    let sale = sale_with_dead_tickets(&context, 2).await;
    assert_eq!(sale.discard(&[2]).await, [true]);
    let reason = "discarded by an operator".to_owned();
    assert_eq!(sale.status(2).await, TicketStatus::Rejected { reason });
    assert_eq!(sale.ticket_state(1).await, TicketState::Dead);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.dead.tickets, ledger.rejected.tickets), (1, 1));
    assert_eq!(sale.redrive(&[2]).await, [false]);
}

async fn discarding_frees_the_units(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(1) }).await;
    sale.fill(1).await;
    sale.work_one(retry(0, "dead")).await;
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, Admission::Refused(Refusal::SoldOut));
    sale.discard(&[1]).await;
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, Admission::Queued { seq: 2, position: 1 });
}

async fn dead_tickets_hold_their_units(context: Context) {
    let settings = SaleSettings { max_attempts: 1, cap: Some(5), ..SaleSettings::of_stock(1) };
    let sale = context.sale("phone", settings).await;
    sale.fill(2).await;
    sale.work_one(retry(0, "dead")).await;
    assert_eq!(sale.claim(1).await.entries, []);
    sale.redrive(&[1]).await;
    assert_eq!(seqs(&sale.claim(2).await), [1]);
}

async fn full_batches_are_settled_and_released(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(1000) }).await;
    let count = MAX_BATCH as u64;
    let all: Vec<Seq> = (1..=count).collect();
    sale.fill(count).await;
    sale.claim(MAX_BATCH).await;
    context.advance(30_000);
    assert_eq!(sale.recover().await.dead, count);
    assert_eq!(sale.redrive(&all).await, [true; MAX_BATCH]);
    sale.claim(MAX_BATCH).await;
    context.advance(30_000);
    assert_eq!(sale.recover().await.dead, count);
    assert_eq!(sale.discard(&all).await, [true; MAX_BATCH]);
    let rejected = ReleaseResult::NotOrdered(TicketState::Rejected);
    assert_eq!(sale.release(&all).await, [rejected; MAX_BATCH]);
}
