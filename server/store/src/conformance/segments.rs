//! Sales with queues longer than a segment, a page or a bucket of a store.

use std::collections::BTreeSet;

use inrush_core::{
    sale::SaleSettings,
    store::{CancelResult, LeaseToken, ReleaseResult, SettleResult, Settlement},
    ticket::{Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, retry, seqs},
};

cases! {
    batches_of_buyers_cross_a_cut,
    claims_cross_a_cut,
    claims_skip_cancelled_tickets_over_a_cut,
    positions_are_exact_over_several_cuts,
    tickets_are_cancelled_on_both_sides_of_a_cut,
    outcomes_are_found_on_both_sides_of_a_cut,
    an_exactly_full_segment_is_claimed_to_its_end,
    the_head_of_a_standby_queue_is_read_over_a_cut,
    a_long_sale_is_processed_in_order,
}

/// Tickets in one segment of the queue.
const SEGMENT: u64 = 4096;

async fn long_sale(context: &Context, count: u64) -> Sale {
    let sale =
        context.sale("phone", SaleSettings { max_attempts: 3, ..SaleSettings::of_stock(1_000_000) }).await;
    sale.fill(count).await;
    sale
}

/// Claims and orders everything up to `seq`.
async fn process_all(sale: &Sale, seq: Seq) {
    let mut left = seq - sale.snapshot().await.cursor;
    while left > 0 {
        let claim = sale.claim(usize::try_from(left.min(256)).unwrap()).await;
        left -= claim.entries.len() as u64;
        let settlements: Vec<Settlement> = seqs(&claim)
            .into_iter()
            .map(|seq| Settlement {
                lease_token: LeaseToken { seq, fence: claim.fence },
                outcome: ordered("o"),
            })
            .collect();
        sale.settle_all(&settlements).await;
    }
}

async fn batches_of_buyers_cross_a_cut(context: Context) {
    let sale = long_sale(&context, SEGMENT - 2).await;
    let requests = ["a", "b", "c", "d", "e"].map(|buyer| admit_request(buyer, 1));
    let reply = sale.admit(&requests).await;
    assert_eq!(reply.admitted, SEGMENT + 3);
    sale.fill(SEGMENT).await;
    assert_eq!(sale.position(2 * SEGMENT + 3).await, 2 * SEGMENT + 3);
    process_all(&sale, SEGMENT - 3).await;
    let claim = sale.claim(7).await;
    let buyers: Vec<&str> = claim.entries.iter().map(|entry| entry.entry.buyer.as_str()).collect();
    assert_eq!(buyers, ["buyer-4094", "a", "b", "c", "d", "e", "buyer-4100"]);
}

async fn claims_cross_a_cut(context: Context) {
    for first in [SEGMENT - 256, SEGMENT - 100, SEGMENT - 1, SEGMENT] {
        let sale = context.sale(&format!("phone-{first}"), SaleSettings::of_stock(1_000_000)).await;
        sale.fill(SEGMENT + 300).await;
        process_all(&sale, first - 1).await;
        assert_eq!(seqs(&sale.claim(256).await), (first..first + 256).collect::<Vec<Seq>>());
        assert_eq!(sale.snapshot().await.cursor, first + 255);
    }
}

async fn claims_skip_cancelled_tickets_over_a_cut(context: Context) {
    let sale = long_sale(&context, SEGMENT + 100).await;
    let cancelled: Vec<Seq> = (SEGMENT - 300..=SEGMENT + 50).filter(|seq| *seq != SEGMENT - 10).collect();
    sale.cancel(&cancelled).await;
    process_all(&sale, SEGMENT - 302).await;
    assert_eq!(seqs(&sale.claim(3).await), [SEGMENT - 301, SEGMENT - 10, SEGMENT + 51]);
    assert_eq!(sale.position(SEGMENT + 100).await, 49);
}

async fn positions_are_exact_over_several_cuts(context: Context) {
    let last = 3 * SEGMENT + 500;
    let sale = long_sale(&context, last).await;
    let cancelled: BTreeSet<Seq> = (1..=last).filter(|seq| seq % 11 == 0 || seq % SEGMENT < 3).collect();
    let batches: Vec<Seq> = cancelled.iter().copied().collect();
    assert_eq!(sale.cancel(&batches).await, vec![CancelResult::Cancelled; batches.len()]);
    for cursor in [0, 100, SEGMENT - 1, SEGMENT + 5, 2 * SEGMENT + 1000] {
        while sale.snapshot().await.cursor < cursor {
            sale.claim(256).await;
        }
        let cursor = sale.snapshot().await.cursor;
        let edges = [1, 2, 3].map(|segment| segment * SEGMENT);
        let seqs = edges.iter().flat_map(|edge| edge - 4..edge + 4).chain([last - 1, last]);
        for seq in seqs.filter(|seq| *seq > cursor && !cancelled.contains(seq)) {
            let position = (cursor + 1..=seq).filter(|seq| !cancelled.contains(seq)).count() as u64;
            assert_eq!(sale.position(seq).await, position, "ticket {seq} after {cursor}");
        }
    }
}

async fn tickets_are_cancelled_on_both_sides_of_a_cut(context: Context) {
    let sale = long_sale(&context, 2 * SEGMENT).await;
    let edge: Vec<Seq> = vec![1, SEGMENT - 1, SEGMENT, SEGMENT + 1, SEGMENT + 2, 2 * SEGMENT];
    assert_eq!(sale.cancel(&edge).await, [CancelResult::Cancelled; 6]);
    for (seq, status) in
        (SEGMENT - 3..).zip(sale.look_up(&(SEGMENT - 3..SEGMENT + 5).collect::<Vec<_>>()).await)
    {
        let cancelled = status == Some(TicketStatus::Cancelled);
        assert_eq!(cancelled, edge.contains(&seq), "{seq}");
    }
    assert_eq!(sale.cancel(&[2 * SEGMENT, 2 * SEGMENT + 1]).await[0], CancelResult::AlreadyCancelled);
    let claim = sale.claim(1).await;
    assert_eq!(seqs(&claim), [2]);
}

async fn outcomes_are_found_on_both_sides_of_a_cut(context: Context) {
    let sale = long_sale(&context, SEGMENT + 200).await;
    process_all(&sale, SEGMENT + 130).await;
    // Outcomes are stored in buckets of 64.
    for seq in [1, 62, 63, 64, 65, 127, 128, SEGMENT - 1, SEGMENT, SEGMENT + 1, SEGMENT + 128] {
        assert_eq!(sale.ticket_state(seq).await, TicketState::Ordered, "{seq}");
        assert_eq!(sale.release(&[seq]).await, [ReleaseResult::Released], "{seq}");
        assert_eq!(sale.ticket_state(seq).await, TicketState::Released, "{seq}");
    }
    let many: Vec<Seq> = (SEGMENT - 100..SEGMENT + 100).collect();
    let released =
        sale.release(&many).await.iter().filter(|reply| **reply == ReleaseResult::Released).count();
    assert_eq!(released, 197);
}

async fn an_exactly_full_segment_is_claimed_to_its_end(context: Context) {
    let sale = long_sale(&context, SEGMENT).await;
    process_all(&sale, SEGMENT).await;
    let claim = sale.claim(5).await;
    assert_eq!((claim.entries.len(), claim.backlog.waiting, claim.backlog.next_claim_in), (0, 0, None));
    assert_eq!(sale.admit(&[]).await.admitted, SEGMENT);
    assert_eq!(sale.recover().await.reclaimed, 0);
    sale.fill(1).await;
    assert_eq!(seqs(&sale.claim(5).await), [SEGMENT + 1]);
}

async fn the_head_of_a_standby_queue_is_read_over_a_cut(context: Context) {
    let settings = SaleSettings { cap: Some(10_000), ..SaleSettings::of_stock(SEGMENT) };
    let sale = context.sale("phone", settings).await;
    sale.fill(SEGMENT + 10).await;
    process_all(&sale, SEGMENT).await;
    assert_eq!(sale.claim(5).await.backlog.next_claim_in, None);
    sale.release(&[7]).await;
    assert_eq!(sale.claim(0).await.backlog.next_claim_in, Some(std::time::Duration::ZERO));
    assert_eq!(seqs(&sale.claim(5).await), [SEGMENT + 1]);
}

async fn a_long_sale_is_processed_in_order(context: Context) {
    let last = 2 * SEGMENT + 777;
    let sale = long_sale(&context, last).await;
    let mut expected = (1..=last).filter(|seq| seq % 5 != 0);
    let cancelled: Vec<Seq> = (1..=last).filter(|seq| seq % 5 == 0).collect();
    sale.cancel(&cancelled).await;
    loop {
        let claim = sale.claim(200).await;
        if claim.entries.is_empty() {
            break;
        }
        for entry in &claim.entries {
            assert_eq!(Some(entry.seq), expected.next());
            assert_eq!(entry.entry.buyer.as_str(), format!("buyer-{}", entry.seq));
        }
    }
    assert_eq!(expected.next(), None);
    let lease_token = LeaseToken { seq: SEGMENT + 1, fence: 0 };
    assert_eq!(sale.settle(lease_token, retry(0, "busy")).await, SettleResult::Stale);
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.cursor, snapshot.ledger.waiting.tickets), (last, 0));
}
