//! Closing a sale and deleting it.

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{Admission, DeleteResult, Precondition, Refusal, SettleResult, StoreError},
    ticket::{Seq, TicketState},
};

use super::{
    case::cases,
    context::{Context, START, created_at},
    sale::{admit_request, ordered, retry, seqs},
};

cases! {
    tickets_that_were_never_claimed_expire,
    closing_twice_changes_nothing,
    a_closed_sale_admits_no_buyer,
    tickets_in_flight_are_finished,
    an_open_sale_is_not_deleted,
    a_busy_sale_is_not_deleted,
    a_deleted_sale_is_gone,
    a_deleted_sale_leaves_nothing_behind,
    a_deleted_sale_can_be_created_anew,
    deleting_one_sale_does_not_change_others,
}

async fn tickets_that_were_never_claimed_expire(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 5, ..SaleSettings::of_stock(50) }).await;
    for (buyer, units) in [("ann", 1), ("bob", 2), ("cleo", 3), ("dan", 4), ("eve", 5)] {
        sale.enqueue_units(buyer, units).await;
    }
    sale.work_one(retry(60_000, "busy")).await;
    sale.claim_one().await;
    sale.cancel(&[3]).await;
    let closed = sale.close().await;
    assert_eq!((closed.closed, closed.version), (true, 2));
    let ledger = closed.ledger;
    let counts = [ledger.expired, ledger.waiting, ledger.retrying, ledger.in_flight, ledger.cancelled];
    assert_eq!(counts.map(|count| (count.tickets, count.units)), [(2, 9), (1, 1), (1, 1), (1, 2), (1, 3)]);
    assert_eq!(sale.ticket_state(4).await, TicketState::Expired);
    assert_eq!(closed.free_units(), 47);
}

async fn closing_twice_changes_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    let lease_token = sale.claim_one().await;
    let first = sale.close().await;
    assert_eq!(sale.close().await, first);
    sale.settle(lease_token, retry(0, "busy")).await;
    let again = sale.close().await;
    assert_eq!((again.version, again.ledger.waiting.tickets, again.ledger.expired.tickets), (2, 1, 2));
}

async fn a_closed_sale_admits_no_buyer(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.close().await;
    assert_eq!(sale.admit_one(admit_request("ann", 1)).await, Admission::Refused(Refusal::Closed));
}

async fn tickets_in_flight_are_finished(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    let [first, second] = [sale.claim_one().await, sale.claim_one().await];
    sale.close().await;
    assert_eq!(sale.extend(&[first]).await, [true]);
    assert_eq!(sale.settle(first, ordered("o-1")).await, SettleResult::Done(TicketState::Ordered));
    assert_eq!(sale.settle(second, retry(0, "busy")).await, SettleResult::Done(TicketState::Waiting));
    assert_eq!(seqs(&sale.claim(5).await), [second.seq]);
    context.advance(30_000);
    assert_eq!(sale.recover().await.reclaimed, 1);
    assert_eq!(sale.work_one(ordered("o-2")).await, second.seq);
}

async fn an_open_sale_is_not_deleted(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    assert_eq!(sale.delete().await, DeleteResult::NotClosed);
    sale.fill(1).await;
    assert_eq!(sale.delete().await, DeleteResult::NotClosed);
    assert_eq!(sale.snapshot().await.last_seq, 1);
}

async fn a_busy_sale_is_not_deleted(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(9) }).await;
    sale.fill(5).await;
    sale.work_one(retry(0, "dead")).await;
    sale.change(|settings| settings.max_attempts = 2).await;
    sale.work_one(retry(0, "busy")).await;
    let claim = sale.claim(2).await;
    assert_eq!(seqs(&claim), [2, 3]);
    sale.close().await;
    assert_eq!(sale.delete().await, DeleteResult::Busy { tickets: 3 });
    context.advance(30_000);
    sale.recover().await;
    assert_eq!(sale.delete().await, DeleteResult::Busy { tickets: 3 });
    sale.work_one(ordered("o-3")).await;
    assert_eq!(sale.delete().await, DeleteResult::Busy { tickets: 2 });
    assert_eq!(sale.discard(&[1, 2]).await, [true, true]);
    assert_eq!(sale.delete().await, DeleteResult::Deleted);
}

async fn a_deleted_sale_is_gone(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(2).await;
    sale.close().await;
    assert_eq!(sale.delete().await, DeleteResult::Deleted);
    assert_eq!(context.store.sale(&sale.id).await, Err(StoreError::SaleNotFound(sale.id.clone())));
    assert_eq!(context.store.sale_ids(None, 10).await.unwrap(), []);
    assert_eq!(sale.delete().await, DeleteResult::Deleted);
    let never: SaleId = context.id("never");
    assert_eq!(context.store.delete(&never).await.unwrap(), DeleteResult::Deleted);
}

/// A sale that has had keys of every kind, and more than one of those that are cut into pieces.
async fn a_deleted_sale_leaves_nothing_behind(context: Context) {
    let settings = SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(100_000) };
    let sale = context.sale("phone", settings).await;
    sale.fill(10_000).await;
    let cancelled: Vec<Seq> = (1..=10_000).filter(|seq| seq % 7 == 0).collect();
    sale.cancel(&cancelled).await;
    for _ in 0..20 {
        sale.claim(256).await;
    }
    context.advance(30_000);
    while sale.recover().await.dead > 0 {}
    let dead: Vec<Seq> = sale.dead_letters(0, 10_000).await.iter().map(|letter| letter.claimed.seq).collect();
    assert_eq!(dead.len(), 20 * 256);
    for batch in dead.chunks(256) {
        sale.discard(batch).await;
    }
    sale.work_one(ordered("o")).await;
    sale.close().await;
    assert_eq!(sale.delete().await, DeleteResult::Deleted);
    assert_eq!(context.backend.keys_with(sale.id.as_str()).await, Vec::<String>::new());
}

async fn a_deleted_sale_can_be_created_anew(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    sale.cancel(&[1]).await;
    sale.work_one(ordered("o-2")).await;
    sale.close().await;
    sale.delete().await;
    context.advance(1);
    context.store.configure(&sale.id, &SaleSettings::of_stock(2), Precondition::Absent).await.unwrap();
    let snapshot = sale.snapshot().await;
    assert_eq!((created_at(snapshot.epoch).0, snapshot.version, snapshot.last_seq), (START.0 + 1, 1, 0));
    assert_eq!(sale.look_up(&[1, 2]).await, [None, None]);
    assert_eq!(sale.admit_one(admit_request("buyer-1", 1)).await, Admission::Queued { seq: 1, position: 1 });
    assert_eq!(context.store.admitted_buyers(&sale.id, 0).await.unwrap().len(), 1);
    assert_eq!(sale.ticket_state(1).await, TicketState::Waiting);
}

async fn deleting_one_sale_does_not_change_others(context: Context) {
    let kept = context.sale("a", SaleSettings::of_stock(5)).await;
    let longer_name = context.sale("a-1", SaleSettings::of_stock(5)).await;
    let deleted = context.sale("a-2", SaleSettings::of_stock(5)).await;
    for sale in [&kept, &longer_name, &deleted] {
        sale.fill(3).await;
    }
    deleted.close().await;
    deleted.delete().await;
    for sale in [&kept, &longer_name] {
        assert_eq!(seqs(&sale.claim(5).await), [1, 2, 3]);
    }
    assert_eq!(context.store.sale_ids(None, 10).await.unwrap().len(), 2);
}
