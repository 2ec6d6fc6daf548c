//! Leases: extending, settling, losing them.

use std::time::Duration;

use inrush_core::{
    sale::SaleSettings,
    store::{LeaseToken, MAX_BATCH, MAX_TEXT, SettleResult, Settlement},
    ticket::{Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, ordered, rejected, retry, seqs},
};

cases! {
    an_extended_lease_ends_a_full_lease_from_then,
    a_lease_that_was_lost_is_not_extended,
    an_expired_lease_can_be_extended_until_it_is_reclaimed,
    a_settled_ticket_has_its_outcome,
    settling_requires_the_fence,
    a_ticket_is_settled_once,
    a_late_worker_is_harmless,
    an_expired_lease_can_settle_until_it_is_reclaimed,
    a_retry_waits_at_least_its_delay,
    a_ticket_is_dead_after_its_last_attempt,
    the_current_settings_decide_the_number_of_attempts,
    long_texts_are_truncated_between_characters,
    texts_are_stored_unchanged,
    recovery_reclaims_expired_leases,
    recovery_reclaims_the_earliest_first,
    recovery_is_bounded,
    a_ticket_that_was_reclaimed_while_the_clock_was_ahead_does_not_wait_for_it,
    recovery_after_the_last_attempt_leaves_the_ticket_dead,
    the_lease_is_that_of_the_settings_at_the_claim,
    a_full_batch_is_settled,
}

const DONE_ORDERED: SettleResult = SettleResult::Done(TicketState::Ordered);
const DONE_REJECTED: SettleResult = SettleResult::Done(TicketState::Rejected);
const DONE_WAITING: SettleResult = SettleResult::Done(TicketState::Waiting);
const DONE_DEAD: SettleResult = SettleResult::Done(TicketState::Dead);

async fn phone(context: &Context, max_attempts: u32) -> Sale {
    context.sale("phone", SaleSettings { max_attempts, ..SaleSettings::of_stock(10_000) }).await
}

async fn an_extended_lease_ends_a_full_lease_from_then(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(2).await;
    let [kept, lost] = [sale.claim_one().await, sale.claim_one().await];
    context.advance(20_000);
    assert_eq!(sale.extend(&[kept]).await, [true]);
    context.advance(10_000);
    assert_eq!(sale.recover().await.reclaimed, 1);
    assert_eq!(sale.ticket_state(lost.seq).await, TicketState::Waiting);
    context.advance(19_999);
    assert_eq!(sale.recover().await.reclaimed, 0);
    context.advance(1);
    assert_eq!(sale.recover().await.reclaimed, 1);
}

async fn a_lease_that_was_lost_is_not_extended(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(4).await;
    let lease_token = sale.claim_one().await;
    let settled = sale.claim_one().await;
    sale.settle(settled, ordered("o-2")).await;
    let wrong_fence = LeaseToken { fence: lease_token.fence + 1, ..lease_token };
    let fence_of_none = LeaseToken { fence: 0, ..lease_token };
    let in_line = LeaseToken { seq: 4, fence: lease_token.fence };
    let unknown = LeaseToken { seq: 99, fence: lease_token.fence };
    let no_ticket = LeaseToken { seq: 0, fence: lease_token.fence };
    let leases = [wrong_fence, lease_token, settled, in_line, unknown, no_ticket, fence_of_none, lease_token];
    let expected = [false, true, false, false, false, false, false, true];
    assert_eq!(sale.extend(&leases).await, expected);
    assert_eq!(sale.extend(&[]).await, [true; 0]);
    context.advance(30_000);
    sale.recover().await;
    assert_eq!(sale.extend(&[lease_token]).await, [false]);
    let again = sale.claim_one().await;
    assert_eq!(again.seq, lease_token.seq);
    assert_eq!(sale.extend(&[lease_token, again]).await, [false, true]);
}

async fn an_expired_lease_can_be_extended_until_it_is_reclaimed(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    let lease_token = sale.claim_one().await;
    context.advance(90_000);
    assert_eq!(sale.extend(&[lease_token]).await, [true]);
    assert_eq!(sale.recover().await.reclaimed, 0);
    context.advance(29_999);
    assert_eq!(sale.recover().await.reclaimed, 0);
}

async fn a_settled_ticket_has_its_outcome(context: Context) {
    let settings = SaleSettings { unit_limit: 9, ..SaleSettings::of_stock(100) };
    let sale = context.sale("phone", settings).await;
    for (buyer, units) in [("ann", 2), ("bob", 3), ("cleo", 4)] {
        sale.enqueue_units(buyer, units).await;
    }
    let claim = sale.claim(3).await;
    let outcomes = [ordered("o-1"), rejected("no such address"), retry(10, "busy")];
    let settlements: Vec<Settlement> = (1..)
        .zip(outcomes)
        .map(|(seq, outcome)| Settlement { lease_token: LeaseToken { seq, fence: claim.fence }, outcome })
        .collect();
    assert_eq!(sale.settle_all(&settlements).await, [DONE_ORDERED, DONE_REJECTED, DONE_WAITING]);
    assert_eq!(
        sale.look_up(&[1, 2, 3]).await,
        [
            Some(TicketStatus::Ordered { order_id: "o-1".to_owned() }),
            Some(TicketStatus::Rejected { reason: "no such address".to_owned() }),
            Some(TicketStatus::Waiting { position: 1, attempted: true }),
        ]
    );
    let ledger = sale.snapshot().await.ledger;
    let counts = [ledger.ordered, ledger.rejected, ledger.waiting, ledger.retrying, ledger.in_flight];
    assert_eq!(counts.map(|count| (count.tickets, count.units)), [(1, 2), (1, 3), (1, 4), (1, 4), (0, 0)]);
}

async fn settling_requires_the_fence(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(3).await;
    let lease_token = sale.claim_one().await;
    let other = sale.claim_one().await;
    let before = sale.snapshot().await;
    for wrong in [
        LeaseToken { fence: lease_token.fence - 1, ..lease_token },
        LeaseToken { fence: other.fence, ..lease_token },
        LeaseToken { seq: other.seq, ..lease_token },
        LeaseToken { seq: 3, ..lease_token },
        LeaseToken { seq: 0, ..lease_token },
        LeaseToken { seq: 4, ..lease_token },
        LeaseToken { seq: u64::MAX, ..lease_token },
        LeaseToken { fence: u64::MAX, ..lease_token },
    ] {
        for outcome in [ordered("o-1"), rejected("no"), retry(0, "busy")] {
            assert_eq!(sale.settle(wrong, outcome).await, SettleResult::Stale, "{wrong:?}");
        }
    }
    assert_eq!(sale.snapshot().await, before);
    assert_eq!(sale.look_up(&[1, 2]).await, [Some(TicketStatus::Processing), Some(TicketStatus::Processing)]);
}

async fn a_ticket_is_settled_once(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    let lease_token = sale.claim_one().await;
    let twice = [ordered("o-1"), ordered("o-2")].map(|outcome| Settlement { lease_token, outcome });
    assert_eq!(sale.settle_all(&twice).await, [DONE_ORDERED, SettleResult::Stale]);
    assert_eq!(sale.settle(lease_token, rejected("no")).await, SettleResult::Stale);
    assert_eq!(sale.status(1).await, TicketStatus::Ordered { order_id: "o-1".to_owned() });
    sale.release(&[1]).await;
    assert_eq!(sale.settle(lease_token, ordered("o-3")).await, SettleResult::Stale);
}

async fn a_late_worker_is_harmless(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    let late = sale.claim_one().await;
    context.advance(30_000);
    sale.recover().await;
    assert_eq!(sale.settle(late, ordered("late")).await, SettleResult::Stale);
    let present = sale.claim_one().await;
    assert!(present.fence > late.fence);
    assert_eq!(sale.settle(late, ordered("late")).await, SettleResult::Stale);
    assert_eq!(sale.settle(present, ordered("present")).await, DONE_ORDERED);
    assert_eq!(sale.status(1).await, TicketStatus::Ordered { order_id: "present".to_owned() });
}

async fn an_expired_lease_can_settle_until_it_is_reclaimed(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    let lease_token = sale.claim_one().await;
    context.advance(300_000);
    assert_eq!(sale.settle(lease_token, ordered("o-1")).await, DONE_ORDERED);
    assert_eq!(sale.recover().await.reclaimed, 0);
}

async fn a_retry_waits_at_least_its_delay(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    sale.work_one(retry(1500, "busy")).await;
    context.advance(1499);
    assert_eq!(sale.claim(1).await.entries, []);
    context.advance(1);
    assert_eq!(seqs(&sale.claim(1).await), [1]);
}

async fn a_ticket_is_dead_after_its_last_attempt(context: Context) {
    let sale = phone(&context, 2).await;
    sale.fill(1).await;
    assert_eq!(sale.settle(sale.claim_one().await, retry(0, "first")).await, DONE_WAITING);
    assert_eq!(sale.settle(sale.claim_one().await, retry(0, "second")).await, DONE_DEAD);
    assert_eq!(sale.status(1).await, TicketStatus::Dead { reason: "second".to_owned() });
    assert_eq!(sale.claim(1).await.entries, []);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.dead.tickets, ledger.waiting.tickets, ledger.retrying.tickets), (1, 0, 0));
}

async fn the_current_settings_decide_the_number_of_attempts(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(2).await;
    sale.work_one(retry(0, "busy")).await;
    let lease_token = sale.claim_one().await;
    sale.change(|settings| settings.max_attempts = 2).await;
    assert_eq!(sale.settle(lease_token, retry(0, "busy")).await, DONE_DEAD);
    sale.change(|settings| settings.max_attempts = 1).await;
    let lease_token = sale.claim_one().await;
    sale.change(|settings| settings.max_attempts = 2).await;
    assert_eq!(sale.settle(lease_token, retry(0, "busy")).await, DONE_WAITING);
}

async fn long_texts_are_truncated_between_characters(context: Context) {
    let sale = phone(&context, 1).await;
    for (text, kept) in [
        ("x".repeat(MAX_TEXT), "x".repeat(MAX_TEXT)),
        ("x".repeat(MAX_TEXT + 1), "x".repeat(MAX_TEXT)),
        ("€".repeat(100), "€".repeat(MAX_TEXT / 3)),
        (format!("{}é", "x".repeat(MAX_TEXT - 1)), "x".repeat(MAX_TEXT - 1)),
    ] {
        sale.fill(3).await;
        let seq = sale.work_one(ordered(&text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Ordered { order_id: kept.clone() });
        let seq = sale.work_one(rejected(&text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Rejected { reason: kept.clone() });
        let seq = sale.work_one(retry(0, &text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Dead { reason: kept.clone() });
        assert_eq!(sale.dead_letters(seq - 1, 1).await[0].reason, kept);
    }
}

async fn texts_are_stored_unchanged(context: Context) {
    let sale = phone(&context, 1).await;
    for text in ["", " ", "O", "L1", "0", "12:34", "a\nb\0c", "\u{1F39F} Ω", "%s %%d", "nil", "-1", "{x}"] {
        sale.fill(3).await;
        let seq = sale.work_one(ordered(text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Ordered { order_id: text.to_owned() });
        sale.release(&[seq]).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Released { order_id: text.to_owned() });
        let seq = sale.work_one(rejected(text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Rejected { reason: text.to_owned() });
        let seq = sale.work_one(retry(0, text)).await;
        assert_eq!(sale.status(seq).await, TicketStatus::Dead { reason: text.to_owned() });
    }
}

async fn recovery_reclaims_expired_leases(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(2).await;
    sale.claim(1).await;
    context.advance(1);
    sale.claim(1).await;
    context.advance(29_998);
    assert_eq!(sale.recover().await.reclaimed, 0);
    context.advance(1);
    let recovery = sale.recover().await;
    assert_eq!((recovery.reclaimed, recovery.dead), (1, 0));
    assert_eq!(
        sale.look_up(&[1, 2]).await,
        [Some(TicketStatus::Waiting { position: 1, attempted: true }), Some(TicketStatus::Processing)]
    );
    assert_eq!(seqs(&sale.claim(2).await), [1]);
}

async fn recovery_reclaims_the_earliest_first(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(600).await;
    let first = sale.claim(100).await;
    context.advance(1);
    sale.claim(256).await;
    let kept: Vec<LeaseToken> = (1..=100).map(|seq| LeaseToken { seq, fence: first.fence }).collect();
    context.advance(10);
    sale.extend(&kept).await;
    context.advance(60_000);
    // The extended leases end last, and only as many as fit are reclaimed by one call.
    assert_eq!(sale.recover().await.reclaimed, 256);
    let statuses = sale.look_up(&[1, 100, 101, 356]).await;
    let states: Vec<TicketState> = statuses.iter().map(|status| status.as_ref().unwrap().state()).collect();
    use TicketState::{Processing, Waiting};
    assert_eq!(states, [Processing, Processing, Waiting, Waiting]);
    assert_eq!(seqs(&sale.claim(3).await), [101, 102, 103]);
}

async fn recovery_is_bounded(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(300).await;
    sale.claim(256).await;
    sale.claim(44).await;
    context.advance(30_000);
    let recovery = sale.recover().await;
    assert_eq!((recovery.reclaimed, recovery.backlog.in_flight), (MAX_BATCH as u64, 44));
    assert_eq!(recovery.backlog.next_expiry_in, Some(Duration::ZERO));
    // Leases that expire together are reclaimed in the order of the seqs.
    assert_eq!(sale.ticket_state(256).await, TicketState::Waiting);
    assert_eq!(sale.ticket_state(257).await, TicketState::Processing);
    assert_eq!(sale.recover().await.reclaimed, 44);
    assert_eq!(sale.recover().await.reclaimed, 0);
    assert_eq!(seqs(&sale.claim(256).await), (1..=256).collect::<Vec<Seq>>());
}

async fn a_ticket_that_was_reclaimed_while_the_clock_was_ahead_does_not_wait_for_it(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(1).await;
    // The lease of a first attempt is stored in another form than that of a later one.
    for _attempt in 1..=2 {
        assert_eq!(seqs(&sale.claim(1).await), [1]);
        context.advance(3_600_000);
        assert_eq!(sale.recover().await.reclaimed, 1);
        context.set_back(3_600_000 - 30_000);
    }
    assert_eq!(seqs(&sale.claim(1).await), [1]);
}

async fn recovery_after_the_last_attempt_leaves_the_ticket_dead(context: Context) {
    let sale = phone(&context, 2).await;
    sale.fill(2).await;
    sale.work_one(retry(0, "busy")).await;
    sale.claim(2).await;
    context.advance(30_000);
    let recovery = sale.recover().await;
    assert_eq!((recovery.reclaimed, recovery.dead), (1, 1));
    let reason = "the lease ended without an answer".to_owned();
    assert_eq!(sale.status(1).await, TicketStatus::Dead { reason });
    assert_eq!(sale.ticket_state(2).await, TicketState::Waiting);
}

async fn the_lease_is_that_of_the_settings_at_the_claim(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(2).await;
    let first = sale.claim_one().await;
    sale.change(|settings| settings.lease = Duration::from_millis(100)).await;
    let claim = sale.claim(1).await;
    assert_eq!(claim.backlog.next_expiry_in, Some(Duration::from_millis(100)));
    context.advance(100);
    assert_eq!(sale.recover().await.reclaimed, 1);
    sale.extend(&[first]).await;
    context.advance(100);
    assert_eq!(sale.recover().await.reclaimed, 1);
}

async fn a_full_batch_is_settled(context: Context) {
    let sale = phone(&context, 5).await;
    sale.fill(MAX_BATCH as u64).await;
    let claim = sale.claim(MAX_BATCH).await;
    let leases: Vec<LeaseToken> =
        claim.entries.iter().map(|entry| LeaseToken { seq: entry.seq, fence: claim.fence }).collect();
    assert_eq!(sale.extend(&leases).await, [true; MAX_BATCH]);
    let settlements: Vec<Settlement> = leases
        .iter()
        .map(|&lease_token| Settlement { lease_token, outcome: ordered(&format!("o-{}", lease_token.seq)) })
        .collect();
    assert_eq!(sale.settle_all(&settlements).await, [DONE_ORDERED; MAX_BATCH]);
    let all: Vec<Seq> = (1..=MAX_BATCH as u64).collect();
    for (seq, status) in all.iter().zip(sale.look_up(&all).await) {
        assert_eq!(status, Some(TicketStatus::Ordered { order_id: format!("o-{seq}") }));
    }
}
