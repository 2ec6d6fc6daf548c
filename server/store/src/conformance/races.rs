//! Handles with connections of their own that do the same thing at the same time: exactly one wins.

use std::sync::Arc;

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{Admission, CancelResult, Claim, ClaimRequest, LeaseToken, SettleResult, Settlement, Store},
    ticket::Seq,
};
use tokio::task::JoinSet;

use super::{
    case::cases,
    context::Context,
    sale::{admit_request, ordered, seqs},
};

cases! {
    a_ticket_is_cancelled_or_claimed,
    a_ticket_is_claimed_by_one,
    a_ticket_is_settled_by_one,
    a_buyer_gets_one_ticket,
    the_last_unit_is_taken_once,
}

const TICKETS: u64 = 300;

/// Runs `work` on `handles` handles with own connections concurrently.
async fn at_once<T, F>(
    context: &Context,
    id: &SaleId,
    handles: usize,
    work: impl Fn(usize, Arc<dyn Store>, SaleId) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..handles {
        tasks.spawn(work(number, context.store.with_own_connection().await.unwrap(), id.clone()));
    }
    tasks.join_all().await
}

async fn claim_until_empty(store: &dyn Store, id: &SaleId, max: usize) -> Vec<Claim> {
    let mut claims = Vec::new();
    loop {
        let claim = store.claim(id, ClaimRequest { max }).await.unwrap();
        if claim.backlog.waiting == 0 && claim.entries.is_empty() {
            return claims;
        }
        claims.push(claim);
    }
}

async fn a_ticket_is_cancelled_or_claimed(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(TICKETS)).await;
    sale.fill(TICKETS).await;
    let results = at_once(&context, &sale.id, 2, |number, store, id| async move {
        let mut won = Vec::new();
        if number == 0 {
            for claim in claim_until_empty(store.as_ref(), &id, 2).await {
                won.extend(seqs(&claim));
            }
        } else {
            let epochs = store.admit(&id, &[]).await.unwrap().epochs;
            for seq in 1..=TICKETS {
                match store.cancel(&id, &[epochs.ticket(seq)]).await.unwrap()[0] {
                    CancelResult::Cancelled => won.push(seq),
                    CancelResult::TooLate => {}
                    other => panic!("ticket {seq}: {other:?}"),
                }
            }
        }
        won
    })
    .await;
    let mut all = results.concat();
    all.sort_unstable();
    assert_eq!(all, (1..=TICKETS).collect::<Vec<Seq>>());
    let ledger = sale.snapshot().await.ledger;
    assert_eq!(ledger.cancelled.tickets + ledger.in_flight.tickets, TICKETS);
    ledger.check(Some(TICKETS), TICKETS).unwrap();
}

async fn a_ticket_is_claimed_by_one(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(TICKETS)).await;
    sale.fill(TICKETS).await;
    let claims = at_once(&context, &sale.id, 3, |_, store, id| async move {
        claim_until_empty(store.as_ref(), &id, 3).await
    })
    .await
    .concat();
    let mut claimed: Vec<(u64, Vec<Seq>)> = claims.iter().map(|claim| (claim.fence, seqs(claim))).collect();
    claimed.retain(|(_, seqs)| !seqs.is_empty());
    // Fences begin at the number of the epoch.
    let before = sale.snapshot().await.epoch;
    claimed.sort_unstable();
    // Ordered by fence, the queue was claimed in order, each ticket once, each fence once.
    let fences: Vec<u64> = claimed.iter().map(|(fence, _)| *fence).collect();
    assert_eq!(fences, (before + 1..=before + claimed.len() as u64).collect::<Vec<_>>());
    let in_order: Vec<Seq> = claimed.into_iter().flat_map(|(_, seqs)| seqs).collect();
    assert_eq!(in_order, (1..=TICKETS).collect::<Vec<Seq>>());
}

async fn a_ticket_is_settled_by_one(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(100).await;
    let fence = sale.claim(100).await.fence;
    let results = at_once(&context, &sale.id, 3, move |number, store, id| async move {
        let mut done = 0;
        for seq in 1..=100 {
            let outcome = ordered(&format!("o-{number}"));
            let settlement = Settlement { lease_token: LeaseToken { seq, fence }, outcome };
            done += usize::from(store.settle(&id, &[settlement]).await.unwrap()[0] != SettleResult::Stale);
        }
        done
    })
    .await;
    assert_eq!(results.iter().sum::<usize>(), 100);
    assert_eq!(sale.snapshot().await.ledger.ordered.tickets, 100);
}

async fn a_buyer_gets_one_ticket(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1000)).await;
    let results = at_once(&context, &sale.id, 3, |_, store, id| async move {
        let mut tickets = Vec::new();
        for buyer in 0..100 {
            let reply = store.admit(&id, &[admit_request(&format!("buyer-{buyer}"), 1)]).await.unwrap();
            match reply.admissions[0] {
                Admission::Queued { seq, .. } | Admission::Existing { seq } => tickets.push(seq),
                other => panic!("buyer {buyer}: {other:?}"),
            }
        }
        tickets
    })
    .await;
    assert!(results.iter().all(|tickets| *tickets == results[0]));
    assert_eq!(sale.snapshot().await.last_seq, 100);
}

async fn the_last_unit_is_taken_once(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(50)).await;
    let results = at_once(&context, &sale.id, 3, |number, store, id| async move {
        let mut taken = 0;
        for buyer in 0..50 {
            let reply =
                store.admit(&id, &[admit_request(&format!("buyer-{number}-{buyer}"), 1)]).await.unwrap();
            taken += usize::from(matches!(reply.admissions[0], Admission::Queued { .. }));
        }
        taken
    })
    .await;
    assert_eq!(results.iter().sum::<usize>(), 50);
    assert_eq!(sale.snapshot().await.free_units(), 0);
}
