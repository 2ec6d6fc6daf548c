//! What all operations have in common: unknown sales, batches that are too large, a flushed script cache, several
//! sales concurrently.

use inrush_core::{
    epochs::TicketRef,
    sale::{SaleId, SaleSettings},
    store::{ClaimRequest, LeaseToken, MAX_BATCH, Settlement, Store, StoreError},
    ticket::Seq,
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, retry, seqs},
};

cases! {
    an_unknown_sale_is_named_in_the_error,
    a_batch_that_is_too_large_is_refused,
    flushed_scripts_do_not_reach_callers,
    sales_are_independent,
    sales_of_similar_names_do_not_mix,
}

/// Every operation on one sale that takes a batch, each with a batch of `size`.
async fn batches(store: &dyn Store, id: &SaleId, size: usize) -> Vec<(&'static str, Result<(), StoreError>)> {
    let seqs: Vec<Seq> = (1..).take(size).collect();
    let tickets: Vec<TicketRef> = seqs.iter().map(|&seq| TicketRef { epoch: 1, seq }).collect();
    let requests: Vec<_> = seqs.iter().map(|seq| admit_request(&format!("buyer-{seq}"), 1)).collect();
    let leases: Vec<LeaseToken> = seqs.iter().map(|&seq| LeaseToken { seq, fence: 1 }).collect();
    let settlements: Vec<Settlement> =
        leases.iter().map(|&lease_token| Settlement { lease_token, outcome: ordered("o") }).collect();
    vec![
        ("admit", store.admit(id, &requests).await.map(drop)),
        ("look up", store.look_up(id, &tickets).await.map(drop)),
        ("cancel", store.cancel(id, &tickets).await.map(drop)),
        ("claim", store.claim(id, ClaimRequest { max: size }).await.map(drop)),
        ("extend", store.extend(id, &leases).await.map(drop)),
        ("settle", store.settle(id, &settlements).await.map(drop)),
        ("release", store.release(id, &tickets).await.map(drop)),
        ("redrive", store.redrive(id, &seqs).await.map(drop)),
        ("discard", store.discard(id, &seqs).await.map(drop)),
    ]
}

async fn an_unknown_sale_is_named_in_the_error(context: Context) {
    let id = context.id("nowhere");
    let store = context.store.as_ref();
    let mut replies = batches(store, &id, 2).await;
    replies.push(("sale", store.sale(&id).await.map(drop)));
    replies.push(("close", store.close(&id).await.map(drop)));
    replies.push(("recover", store.recover(&id).await.map(drop)));
    replies.push(("admitted buyers", store.admitted_buyers(&id, 0).await.map(drop)));
    replies.push(("dead letters", store.dead_letters(&id, 0, 10).await.map(drop)));
    for (operation, reply) in replies {
        assert_eq!(reply, Err(StoreError::SaleNotFound(id.clone())), "{operation}");
    }
    assert_eq!(context.backend.keys_with(id.as_str()).await, Vec::<String>::new());
}

async fn a_batch_that_is_too_large_is_refused(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    sale.fill(3).await;
    let before = sale.snapshot().await;
    for (operation, reply) in batches(context.store.as_ref(), &sale.id, MAX_BATCH + 1).await {
        assert!(matches!(reply, Err(StoreError::Unsuitable(_))), "{operation}: {reply:?}");
    }
    assert_eq!(sale.snapshot().await, before);
    for (operation, reply) in batches(context.store.as_ref(), &sale.id, MAX_BATCH).await {
        assert_eq!(reply, Ok(()), "{operation}");
    }
}

async fn flushed_scripts_do_not_reach_callers(context: Context) {
    let sale = context.sale("phone", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(1000) }).await;
    let flush = async || context.backend.flush_caches().await;
    flush().await;
    sale.fill(4).await;
    flush().await;
    sale.cancel(&[4]).await;
    flush().await;
    let first = sale.claim_one().await;
    flush().await;
    assert_eq!(sale.extend(&[first]).await, [true]);
    flush().await;
    sale.settle(first, ordered("o-1")).await;
    flush().await;
    sale.release(&[1]).await;
    sale.claim(1).await;
    context.advance(30_000);
    flush().await;
    assert_eq!(sale.recover().await.dead, 1);
    flush().await;
    assert_eq!(sale.dead_letters(0, 5).await.len(), 1);
    flush().await;
    assert_eq!(sale.redrive(&[2]).await, [true]);
    sale.work_one(retry(0, "dead")).await;
    flush().await;
    assert_eq!(sale.discard(&[2]).await, [true]);
    flush().await;
    sale.look_up(&[1, 2, 3]).await;
    flush().await;
    sale.change(|settings| settings.max_attempts = 2).await;
    flush().await;
    sale.close().await;
    flush().await;
    assert_eq!(context.store.sales(None, 5).await.unwrap().len(), 1);
    flush().await;
    sale.delete().await;
    flush().await;
    context.sale("watch", SaleSettings::of_stock(1)).await;
}

/// Twelve sales, worked on in turns and at the same time; each has seqs and fences of its own.
async fn sales_are_independent(context: Context) {
    let mut sales = Vec::new();
    for number in 0..12 {
        sales.push(context.sale(&format!("sale-{number}"), SaleSettings::of_stock(1000 + number)).await);
    }
    for round in 0..3_u64 {
        futures_util::future::join_all(sales.iter().map(|sale| one_round(sale, round))).await;
    }
    for (number, sale) in (0..).zip(&sales) {
        let snapshot = sale.snapshot().await;
        assert_eq!((snapshot.last_seq, snapshot.cursor), (30, 30));
        assert_eq!(snapshot.ledger.ordered.tickets, 15);
        assert_eq!(snapshot.settings.stock, Some(1000 + number));
    }
}

async fn one_round(sale: &Sale, round: u64) {
    sale.fill(10).await;
    let odd: Vec<Seq> = (round * 10 + 1..=round * 10 + 10).filter(|seq| seq % 2 == 1).collect();
    sale.cancel(&odd).await;
    let claim = sale.claim(256).await;
    assert_eq!(seqs(&claim).len(), 5);
    assert_eq!(claim.fence, claim.epochs.present() + round + 1);
    for seq in seqs(&claim) {
        sale.settle(LeaseToken { seq, fence: claim.fence }, ordered(&format!("{}-{seq}", sale.id))).await;
    }
}

async fn sales_of_similar_names_do_not_mix(context: Context) {
    let mut sales = Vec::new();
    for name in ["a", "a1", "a-1", "sale", "sale-queue", "sale-queue-0", "sales", "queue", "buyers-1"] {
        sales.push(context.sale(name, SaleSettings::of_stock(10)).await);
    }
    for (count, sale) in (1..).zip(&sales) {
        sale.fill(count).await;
    }
    for (count, sale) in (1..).zip(&sales) {
        assert_eq!(sale.claim(256).await.entries.len(), count);
    }
}
