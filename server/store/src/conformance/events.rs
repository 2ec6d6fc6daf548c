//! What is announced, and what is not.

use inrush_core::{
    sale::SaleSettings,
    store::{LeaseToken, SettleResult},
    ticket::Seq,
};

use super::{
    case::cases,
    context::{Announced, Context},
    sale::{Sale, admit_request, ordered, rejected, retry},
};

cases! {
    a_new_sale_is_announced,
    only_the_first_ticket_of_the_queue_is_announced,
    a_refused_change_announces_nothing,
    a_change_announces_admission_and_waiting_tickets,
    free_units_are_announced_when_there_were_none,
    a_claim_frees_units_of_a_sale_without_stock,
    a_release_announces_work_for_the_queue,
    a_rejection_announces_work_for_the_queue,
    a_discarded_ticket_announces_work_for_the_queue,
    a_cancellation_announces_work_for_a_queue_that_the_stock_blocks,
    a_redrive_announces_work,
    closing_announces_admission_and_retries,
    reading_announces_nothing,
    a_handle_with_its_own_connection_receives_the_same_events,
}

const NOTHING: Announced = Announced { work: 0, admission: 0 };
const WORK: Announced = Announced { work: 1, admission: 0 };
const ADMISSION: Announced = Announced { work: 0, admission: 1 };
const BOTH: Announced = Announced { work: 1, admission: 1 };

async fn a_new_sale_is_announced(context: Context) {
    let neighbour = context.sale("watch", SaleSettings::of_stock(1)).await;
    neighbour.close().await;
    neighbour.delete().await;
    let announced = context
        .announced(&neighbour, async {
            drop(context.sale("watch", SaleSettings::of_stock(1)).await);
        })
        .await;
    assert_eq!(announced, ADMISSION);
}

async fn only_the_first_ticket_of_the_queue_is_announced(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let push = async |sale: &Sale, buyers: &[&str]| {
        let requests: Vec<_> = buyers.iter().map(|buyer| admit_request(buyer, 1)).collect();
        context.announced(sale, async { drop(sale.admit(&requests).await) }).await
    };
    assert_eq!(push(&sale, &["ann", "bob"]).await, WORK);
    assert_eq!(push(&sale, &["cleo"]).await, NOTHING);
    sale.claim(3).await;
    assert_eq!(push(&sale, &["ann"]).await, NOTHING);
    assert_eq!(push(&sale, &["ann", "dan"]).await, WORK);
    sale.cancel(&[4]).await;
    assert_eq!(push(&sale, &["eve"]).await, WORK);
    // Retries are not in the queue: the next buyer is announced.
    sale.work_one(retry(60_000, "busy")).await;
    assert_eq!(push(&sale, &["fay"]).await, WORK);
    sale.change(|settings| settings.admission_held = true).await;
    sale.claim(9).await;
    assert_eq!(push(&sale, &["gil"]).await, NOTHING);
}

async fn a_refused_change_announces_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(2).await;
    let announced = context
        .announced(&sale, async {
            use inrush_core::store::Precondition::{Absent, Version};
            let settings = SaleSettings::of_stock(10);
            sale.configure(&settings, Absent).await;
            sale.configure(&settings, Version(7)).await;
            sale.configure(&SaleSettings::of_stock(1), Version(1)).await;
        })
        .await;
    assert_eq!(announced, NOTHING);
}

async fn a_change_announces_admission_and_waiting_tickets(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let change = async |sale: &Sale| {
        context
            .announced(sale, async { drop(sale.change(|settings| settings.max_attempts += 1).await) })
            .await
    };
    assert_eq!(change(&sale).await, ADMISSION);
    sale.fill(1).await;
    assert_eq!(change(&sale).await, BOTH);
    let lease_token = sale.claim_one().await;
    assert_eq!(change(&sale).await, ADMISSION);
    sale.settle(lease_token, retry(60_000, "busy")).await;
    assert_eq!(change(&sale).await, BOTH);
}

async fn free_units_are_announced_when_there_were_none(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(8) }).await;
    sale.fill(8).await;
    let mut leases: Vec<LeaseToken> = Vec::new();
    for _ in 0..6 {
        leases.push(sale.claim_one().await);
    }
    sale.settle(leases[0], ordered("o-1")).await;
    sale.settle(leases[1], retry(0, "dead")).await;
    let refill = async |sale: &Sale, buyer: &str| {
        sale.enqueue(buyer).await;
    };
    assert_eq!(context.announced(&sale, async { drop(sale.cancel(&[8]).await) }).await, ADMISSION);
    assert_eq!(context.announced(&sale, async { drop(sale.cancel(&[7]).await) }).await, NOTHING);
    refill(&sale, "a").await;
    refill(&sale, "b").await;
    let reject = async { assert_ne!(sale.settle(leases[2], rejected("no")).await, SettleResult::Stale) };
    assert_eq!(context.announced(&sale, reject).await.admission, 1);
    let reject = async { assert_ne!(sale.settle(leases[3], rejected("no")).await, SettleResult::Stale) };
    assert_eq!(context.announced(&sale, reject).await.admission, 0);
    refill(&sale, "c").await;
    refill(&sale, "d").await;
    assert_eq!(context.announced(&sale, async { drop(sale.release(&[1]).await) }).await.admission, 1);
    refill(&sale, "e").await;
    assert_eq!(context.announced(&sale, async { drop(sale.discard(&[2]).await) }).await.admission, 1);
    refill(&sale, "f").await;
    let order = async { assert_ne!(sale.settle(leases[4], ordered("o-5")).await, SettleResult::Stale) };
    assert_eq!(context.announced(&sale, order).await, NOTHING);
    let give_up = async { assert_ne!(sale.settle(leases[5], retry(0, "dead")).await, SettleResult::Stale) };
    assert_eq!(context.announced(&sale, give_up).await, NOTHING);
}

async fn a_claim_frees_units_of_a_sale_without_stock(context: Context) {
    let sale = context.sale("lunch", SaleSettings::without_stock(2)).await;
    sale.fill(2).await;
    assert_eq!(context.announced(&sale, async { drop(sale.claim(1).await) }).await, ADMISSION);
    assert_eq!(context.announced(&sale, async { drop(sale.claim(1).await) }).await, NOTHING);
    let phone = context.sale("phone", SaleSettings::of_stock(1)).await;
    phone.fill(1).await;
    assert_eq!(context.announced(&phone, async { drop(phone.claim(1).await) }).await, NOTHING);
}

async fn a_release_announces_work_for_the_queue(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(9), ..SaleSettings::of_stock(2) }).await;
    sale.fill(3).await;
    sale.work_one(ordered("o-1")).await;
    sale.work_one(ordered("o-2")).await;
    let release = async |seq: Seq| context.announced(&sale, async { drop(sale.release(&[seq]).await) }).await;
    assert_eq!(release(1).await, WORK);
    assert_eq!(release(1).await, NOTHING);
    sale.claim(1).await;
    assert_eq!(release(2).await, NOTHING);
}

async fn a_rejection_announces_work_for_the_queue(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(9), ..SaleSettings::of_stock(2) }).await;
    sale.fill(3).await;
    let (first, second) = (sale.claim_one().await, sale.claim_one().await);
    let reject = async |lease_token: LeaseToken| {
        context
            .announced(&sale, async {
                let _settled = sale.settle(lease_token, rejected("no")).await;
            })
            .await
    };
    assert_eq!(reject(first).await, WORK);
    assert_eq!(reject(first).await, NOTHING);
    sale.claim(1).await;
    assert_eq!(reject(second).await, NOTHING);
}

async fn a_discarded_ticket_announces_work_for_the_queue(context: Context) {
    let settings = SaleSettings { cap: Some(9), max_attempts: 1, ..SaleSettings::of_stock(1) };
    let sale = context.sale("phone", settings).await;
    sale.fill(2).await;
    sale.work_one(retry(0, "dead")).await;
    let discard = async || {
        context
            .announced(&sale, async {
                let _discarded = sale.discard(&[1]).await;
            })
            .await
    };
    assert_eq!(discard().await, WORK);
    assert_eq!(discard().await, NOTHING);
}

async fn a_cancellation_announces_work_for_a_queue_that_the_stock_blocks(context: Context) {
    let settings = SaleSettings { cap: Some(20), unit_limit: 3, ..SaleSettings::of_stock(4) };
    let sale = context.sale("phone", settings).await;
    sale.enqueue_units("ann", 3).await;
    let blocked = sale.enqueue_units("bob", 2).await;
    let behind = sale.enqueue("cleo").await;
    let last = sale.enqueue("dan").await;
    let cancel = async |seq: Seq| context.announced(&sale, async { drop(sale.cancel(&[seq]).await) }).await;
    assert_eq!(cancel(last).await, NOTHING, "the stock has units for every ticket");
    assert_eq!(sale.work_one(ordered("o-1")).await, 1);
    assert_eq!(sale.claim(9).await.entries.len(), 0);
    assert_eq!(cancel(blocked).await, WORK);
    assert_eq!(sale.claim_one().await.seq, behind);
}

async fn a_redrive_announces_work(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(9) }).await;
    sale.fill(1).await;
    sale.work_one(retry(0, "dead")).await;
    let redrive = async || context.announced(&sale, async { drop(sale.redrive(&[1, 2]).await) }).await;
    assert_eq!(redrive().await, WORK);
    assert_eq!(redrive().await, NOTHING);
}

async fn closing_announces_admission_and_retries(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    sale.fill(2).await;
    assert_eq!(context.announced(&sale, async { drop(sale.close().await) }).await, ADMISSION);
    let sale = context.sale("watch", SaleSettings::of_stock(9)).await;
    sale.fill(2).await;
    sale.work_one(retry(0, "busy")).await;
    assert_eq!(context.announced(&sale, async { drop(sale.close().await) }).await, BOTH);
}

async fn reading_announces_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    sale.fill(2).await;
    let lease_token = sale.claim_one().await;
    let look = async {
        sale.look_up(&[1, 2]).await;
        sale.extend(&[lease_token]).await;
        sale.recover().await;
        sale.claim(0).await;
        sale.dead_letters(0, 5).await;
        sale.admit(&[]).await;
        sale.delete().await;
    };
    assert_eq!(context.announced(&sale, look).await, NOTHING);
}

async fn a_handle_with_its_own_connection_receives_the_same_events(mut context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    context.store = context.store.with_own_connection().await.unwrap();
    assert_eq!(context.announced(&sale, async { sale.fill(1).await }).await, WORK);
}
