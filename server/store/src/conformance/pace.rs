//! How fast tickets are claimed: the bucket that bounds it and the measurement of it.

use std::time::Duration;

use inrush_core::sale::{Pace, SaleSettings};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, retry, seqs},
};

cases! {
    a_new_sale_has_a_full_bucket,
    tokens_are_added_at_the_pace,
    fractions_of_tokens_are_not_lost,
    the_bucket_holds_no_more_than_the_burst,
    retries_cost_tokens_and_cancelled_tickets_do_not,
    reading_costs_no_tokens,
    a_change_of_pace_fills_the_bucket,
    other_changes_do_not_refill_the_bucket,
    without_a_pace_there_is_no_limit,
    the_slowest_and_the_fastest_pace,
    the_measured_pace_is_that_of_the_last_window,
    a_clock_that_is_set_back_does_not_stop_the_pace,
    a_clock_that_jumps_ahead_gives_one_burst_at_most,
}

async fn paced(context: &Context, millitickets_per_second: u64, burst: u64) -> Sale {
    let pace = Some(Pace { millitickets_per_second, burst });
    let sale = context.sale("phone", SaleSettings { pace, ..SaleSettings::of_stock(1_000_000) }).await;
    sale.fill(200).await;
    sale
}

async fn claimed(sale: &Sale) -> usize {
    sale.claim(256).await.entries.len()
}

async fn a_new_sale_has_a_full_bucket(context: Context) {
    let sale = paced(&context, 1000, 7).await;
    assert_eq!(claimed(&sale).await, 7);
    assert_eq!(claimed(&sale).await, 0);
}

async fn tokens_are_added_at_the_pace(context: Context) {
    let sale = paced(&context, 2000, 10).await;
    assert_eq!(claimed(&sale).await, 10);
    for (millis, tokens) in [(499, 0), (1, 1), (500, 1), (1000, 2), (3000, 6)] {
        context.advance(millis);
        assert_eq!(claimed(&sale).await, tokens, "after {millis} ms");
    }
}

async fn fractions_of_tokens_are_not_lost(context: Context) {
    let sale = paced(&context, 3000, 2).await;
    assert_eq!(claimed(&sale).await, 2);
    context.advance(500);
    assert_eq!(claimed(&sale).await, 1);
    // Half a token was left; a sixth of a second brings the other half.
    context.advance(166);
    assert_eq!(claimed(&sale).await, 0);
    context.advance(1);
    assert_eq!(claimed(&sale).await, 1);
}

async fn the_bucket_holds_no_more_than_the_burst(context: Context) {
    let sale = paced(&context, 1_000_000, 3).await;
    for _ in 0..3 {
        context.advance(86_400_000);
        assert_eq!(claimed(&sale).await, 3);
        assert_eq!(claimed(&sale).await, 0);
    }
}

async fn retries_cost_tokens_and_cancelled_tickets_do_not(context: Context) {
    let sale = paced(&context, 1000, 4).await;
    sale.cancel(&[2, 3, 4]).await;
    sale.work_one(retry(0, "busy")).await;
    assert_eq!(seqs(&sale.claim(256).await), [1, 5, 6]);
    assert_eq!(claimed(&sale).await, 0);
    // Without a token nothing is passed either.
    sale.cancel(&[7]).await;
    assert_eq!(claimed(&sale).await, 0);
    assert_eq!(sale.snapshot().await.cursor, 6);
}

async fn reading_costs_no_tokens(context: Context) {
    let sale = paced(&context, 1000, 1).await;
    assert_eq!(claimed(&sale).await, 1);
    for _ in 0..10 {
        context.advance(99);
        assert_eq!(claimed(&sale).await, 0);
    }
    context.advance(10);
    assert_eq!(claimed(&sale).await, 1);
}

async fn a_change_of_pace_fills_the_bucket(context: Context) {
    let sale = paced(&context, 1000, 5).await;
    assert_eq!(claimed(&sale).await, 5);
    sale.change(|settings| settings.pace = Some(Pace { millitickets_per_second: 1000, burst: 3 })).await;
    assert_eq!(claimed(&sale).await, 3);
    sale.change(|settings| settings.pace = None).await;
    assert_eq!(sale.claim(20).await.entries.len(), 20);
    sale.change(|settings| settings.pace = Some(Pace { millitickets_per_second: 1000, burst: 3 })).await;
    assert_eq!(claimed(&sale).await, 3);
}

async fn other_changes_do_not_refill_the_bucket(context: Context) {
    let sale = paced(&context, 1000, 5).await;
    assert_eq!(sale.claim(4).await.entries.len(), 4);
    sale.change(|settings| settings.max_attempts = 9).await;
    sale.change(|settings| settings.fulfilment_held = true).await;
    sale.change(|settings| settings.fulfilment_held = false).await;
    assert_eq!(claimed(&sale).await, 1);
    context.advance(500);
    sale.change(|settings| settings.max_attempts = 8).await;
    context.advance(500);
    assert_eq!(claimed(&sale).await, 1);
}

async fn without_a_pace_there_is_no_limit(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    sale.fill(600).await;
    let claims = [claimed(&sale).await, claimed(&sale).await, claimed(&sale).await];
    assert_eq!(claims, [256, 256, 88]);
}

async fn the_slowest_and_the_fastest_pace(context: Context) {
    let slow = paced(&context, 1, 1).await;
    assert_eq!(claimed(&slow).await, 1);
    context.advance(999_999);
    let claim = slow.claim(1).await;
    assert_eq!((claim.entries.len(), claim.backlog.next_claim_in), (0, Some(Duration::from_millis(1))));
    context.advance(1);
    assert_eq!(claimed(&slow).await, 1);
    slow.change(|settings| {
        settings.pace = Some(Pace { millitickets_per_second: 1_000_000_000, burst: 1_000_000 });
    })
    .await;
    context.advance(10 * 86_400_000);
    assert_eq!(claimed(&slow).await, 198);
    slow.fill(256).await;
    assert_eq!(claimed(&slow).await, 256);
}

async fn the_measured_pace_is_that_of_the_last_window(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1_000_000)).await;
    sale.fill(200).await;
    let measured = async |sale: &Sale| {
        let paces = [
            sale.snapshot().await.measured_pace,
            sale.admit(&[]).await.measured_pace,
            sale.store.look_up(&sale.id, &sale.tickets(&[1]).await).await.unwrap().measured_pace,
        ];
        assert!(paces.iter().all(|pace| *pace == paces[0]), "{paces:?}");
        paces[0]
    };
    for (advance, max, pace) in [
        (0, 10, 0),       // the first window begins
        (500, 5, 0),      // not long enough yet
        (499, 3, 0),      // nor now
        (1, 1, 18_000),   // 18 in 1000 ms; a window of 1 begins
        (2000, 7, 500),   // 1 in 2000 ms
        (3000, 7, 2333),  // 7 in 3000 ms, rounded down
        (10_000, 1, 700), // 7 in 10 s
        (10_001, 4, 0),   // too long an interval to be a measurement
        (1000, 1, 4000),  // 4 in 1000 ms
        (5000, 0, 4000),  // a claim of nothing is not counted
        (5000, 1, 100),   // 1 in 10 s
    ] {
        context.advance(advance);
        assert_eq!(sale.claim(max).await.entries.len(), max);
        assert_eq!(measured(&sale).await, pace, "after {advance} ms and {max} claims");
    }
}

async fn a_clock_that_is_set_back_does_not_stop_the_pace(context: Context) {
    let sale = paced(&context, 1000, 2).await;
    for step in [20_000, 3_600_000] {
        context.advance(2000);
        assert_eq!(claimed(&sale).await, 2);
        context.set_back(step);
        assert_eq!(claimed(&sale).await, 0, "the step itself adds no tokens");
        for _ in 0..3 {
            context.advance(1000);
            assert_eq!(claimed(&sale).await, 1, "a second after a step of {step} ms");
        }
        assert_eq!(sale.snapshot().await.measured_pace, 1000);
    }
}

async fn a_clock_that_jumps_ahead_gives_one_burst_at_most(context: Context) {
    let sale = paced(&context, 1000, 2).await;
    for step in [20_000, 3_600_000] {
        context.advance(step);
        assert_eq!(claimed(&sale).await, 2);
        assert_eq!(claimed(&sale).await, 0);
        context.advance(1000);
        assert_eq!(claimed(&sale).await, 1);
    }
}
