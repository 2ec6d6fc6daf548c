//! The backlog in the reply to a claim or a recovery.

use std::time::Duration;

use inrush_core::{
    sale::{Pace, SaleSettings},
    store::Backlog,
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, ordered, rejected, retry},
};

cases! {
    an_empty_sale_has_no_backlog,
    a_queue_can_be_claimed_immediately,
    dead_tickets_are_in_the_backlog_until_they_are_redriven,
    the_next_claim_is_when_a_retry_is_due,
    the_next_claim_is_when_there_is_a_token,
    a_retry_that_is_due_before_a_token_waits_for_the_token,
    a_token_before_a_due_retry_waits_for_the_retry,
    held_fulfilment_waits_for_an_event,
    a_queue_without_units_waits_for_an_event,
    a_queue_without_units_does_not_hide_retries,
    cancelled_tickets_alone_are_no_backlog,
    a_closed_sale_has_only_retries_to_do,
    the_next_lease_expiry_is_reported,
    recovery_returns_the_same_backlog,
}

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

fn in_millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// The backlog in the reply to an empty claim; that of a recovery must be the same.
async fn backlog(sale: &Sale) -> Backlog {
    let backlog = sale.claim(0).await.backlog;
    let recovery = sale.recover().await;
    assert_eq!((recovery.reclaimed, recovery.dead, recovery.backlog), (0, 0, backlog));
    backlog
}

async fn an_empty_sale_has_no_backlog(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    assert_eq!(backlog(&sale).await, Backlog::default());
    sale.fill(1).await;
    sale.work_one(ordered("o-1")).await;
    assert_eq!(backlog(&sale).await, Backlog::default());
}

async fn a_queue_can_be_claimed_immediately(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    let expected = Backlog { waiting: 3, next_claim_in: AT_ONCE, ..Backlog::default() };
    assert_eq!(backlog(&sale).await, expected);
    let claim = sale.claim(2).await;
    let expected = Backlog {
        waiting: 1,
        in_flight: 2,
        next_claim_in: AT_ONCE,
        next_expiry_in: Some(claim.lease),
        ..Backlog::default()
    };
    assert_eq!(claim.backlog, expected);
    let claim = sale.claim(2).await;
    assert_eq!((claim.backlog.waiting, claim.backlog.next_claim_in), (0, None));
}

async fn dead_tickets_are_in_the_backlog_until_they_are_redriven(context: Context) {
    let settings = SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(5) };
    let sale = context.sale("phone", settings).await;
    sale.fill(1).await;
    sale.work_one(retry(0, "busy")).await;
    assert_eq!(backlog(&sale).await, Backlog { dead: 1, ..Backlog::default() });
    assert_eq!(sale.redrive(&[1]).await, [true]);
    assert_eq!(backlog(&sale).await, Backlog { waiting: 1, next_claim_in: AT_ONCE, ..Backlog::default() });
}

async fn the_next_claim_is_when_a_retry_is_due(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(2).await;
    sale.work_one(retry(700, "busy")).await;
    sale.work_one(retry(500, "busy")).await;
    let expected = Backlog { waiting: 2, next_claim_in: in_millis(500), ..Backlog::default() };
    assert_eq!(backlog(&sale).await, expected);
    for (advance, next) in [(499, 1), (1, 0), (100, 0)] {
        context.advance(advance);
        assert_eq!(backlog(&sale).await.next_claim_in, in_millis(next));
    }
    assert_eq!(sale.claim(5).await.backlog.next_claim_in, in_millis(100));
}

async fn paced(context: &Context, millitickets_per_second: u64, burst: u64) -> Sale {
    let pace = Some(Pace { millitickets_per_second, burst });
    let sale = context.sale("phone", SaleSettings { pace, ..SaleSettings::of_stock(100) }).await;
    sale.fill(5).await;
    sale
}

async fn the_next_claim_is_when_there_is_a_token(context: Context) {
    let sale = paced(&context, 3000, 2).await;
    assert_eq!(backlog(&sale).await.next_claim_in, AT_ONCE);
    assert_eq!(sale.claim(1).await.backlog.next_claim_in, AT_ONCE);
    // A third of a second, rounded up.
    assert_eq!(sale.claim(5).await.backlog.next_claim_in, in_millis(334));
    for (advance, next) in [(333, 1), (1, 0), (400, 0)] {
        context.advance(advance);
        assert_eq!(backlog(&sale).await.next_claim_in, in_millis(next), "{advance}");
    }
    sale.claim(5).await;
    sale.cancel(&[5]).await;
    // The queue is empty, so no token is needed.
    assert_eq!(backlog(&sale).await.next_claim_in, None);
}

async fn a_retry_that_is_due_before_a_token_waits_for_the_token(context: Context) {
    let sale = paced(&context, 1000, 5).await;
    sale.work_one(retry(400, "busy")).await;
    sale.cancel(&[5]).await;
    sale.claim(3).await;
    sale.change(|settings| settings.pace = Some(Pace { millitickets_per_second: 1000, burst: 1 })).await;
    sale.fill(1).await;
    assert_eq!(sale.claim(1).await.backlog.next_claim_in, in_millis(1000));
    context.advance(400);
    assert_eq!(backlog(&sale).await.next_claim_in, in_millis(600));
}

async fn a_token_before_a_due_retry_waits_for_the_retry(context: Context) {
    let sale = paced(&context, 1000, 5).await;
    sale.work_one(retry(60_000, "busy")).await;
    assert_eq!(sale.claim(5).await.entries.len(), 4);
    assert_eq!(backlog(&sale).await.next_claim_in, in_millis(60_000));
    sale.fill(1).await;
    assert_eq!(backlog(&sale).await.next_claim_in, in_millis(1000));
}

async fn held_fulfilment_waits_for_an_event(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    sale.work_one(retry(100, "busy")).await;
    sale.claim_one().await;
    sale.change(|settings| settings.fulfilment_held = true).await;
    let backlog = backlog(&sale).await;
    assert_eq!((backlog.waiting, backlog.next_claim_in), (2, None));
    assert_eq!(backlog.next_expiry_in, in_millis(30_000));
}

async fn a_queue_without_units_waits_for_an_event(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(5), ..SaleSettings::of_stock(2) }).await;
    sale.fill(4).await;
    assert_eq!(sale.claim(5).await.backlog.next_claim_in, None);
    sale.cancel(&[3]).await;
    // A claim would pass the cancelled ticket, and no more.
    assert_eq!(backlog(&sale).await.next_claim_in, AT_ONCE);
    assert_eq!(sale.claim(5).await.backlog.next_claim_in, None);
    sale.change(|settings| settings.stock = Some(3)).await;
    assert_eq!(backlog(&sale).await.next_claim_in, AT_ONCE);
}

async fn a_queue_without_units_does_not_hide_retries(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(5), ..SaleSettings::of_stock(1) }).await;
    sale.fill(2).await;
    sale.work_one(retry(250, "busy")).await;
    assert_eq!(backlog(&sale).await.next_claim_in, in_millis(250));
    context.advance(250);
    assert_eq!(backlog(&sale).await.next_claim_in, AT_ONCE);
}

async fn cancelled_tickets_alone_are_no_backlog(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(3).await;
    sale.cancel(&[1, 2, 3]).await;
    assert_eq!(backlog(&sale).await, Backlog::default());
    sale.fill(1).await;
    assert_eq!(backlog(&sale).await.next_claim_in, AT_ONCE);
}

async fn a_closed_sale_has_only_retries_to_do(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(4).await;
    sale.work_one(retry(80, "busy")).await;
    sale.work_one(rejected("no")).await;
    sale.close().await;
    let expected = Backlog { waiting: 1, next_claim_in: in_millis(80), ..Backlog::default() };
    assert_eq!(backlog(&sale).await, expected);
    context.advance(80);
    sale.work_one(ordered("o-1")).await;
    assert_eq!(backlog(&sale).await, Backlog::default());
}

async fn the_next_lease_expiry_is_reported(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(2).await;
    let first = sale.claim_one().await;
    context.advance(10_000);
    sale.claim_one().await;
    assert_eq!(backlog(&sale).await.next_expiry_in, in_millis(20_000));
    sale.extend(&[first]).await;
    assert_eq!(backlog(&sale).await.next_expiry_in, in_millis(30_000));
    context.advance(31_000);
    assert_eq!(sale.claim(0).await.backlog.next_expiry_in, AT_ONCE);
}

async fn recovery_returns_the_same_backlog(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(5)).await;
    sale.fill(2).await;
    sale.claim(1).await;
    context.advance(30_000);
    let recovery = sale.recover().await;
    let expected = Backlog { waiting: 2, next_claim_in: AT_ONCE, ..Backlog::default() };
    assert_eq!((recovery.reclaimed, recovery.dead, recovery.backlog), (1, 0, expected));
}
