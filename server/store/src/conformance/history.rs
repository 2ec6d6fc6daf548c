//! A store that comes back with older data: no ticket is given twice; lost ones are known as such and can be restored.

use inrush_core::{
    epochs::TicketRef,
    sale::SaleSettings,
    store::{Admission, AdmitRequest, CancelResult, Gate, LeaseToken, Refusal, ReleaseResult, SettleResult},
    ticket::{Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, seqs},
};

cases![
    a_restart_raises_the_epoch_and_loses_no_ticket,
    a_lost_ticket_is_never_given_again,
    older_data_that_was_put_back_by_hand_is_noticed,
    a_ticket_that_the_store_has_never_seen_shows_that_it_is_behind,
    a_ticket_that_the_store_has_never_seen_is_noticed_also_from_a_buyer_with_another,
    lost_tickets_are_restored_in_their_old_order,
    a_ticket_is_restored_once_and_only_for_a_buyer_without_another,
    while_tickets_are_restored_new_buyers_wait,
    a_sale_restores_tickets_before_it_opens_and_not_while_it_is_held,
    a_restart_while_tickets_are_restored_changes_nothing,
    a_ticket_that_the_queue_has_passed_is_claimed_next,
    a_ticket_that_the_queue_has_passed_takes_no_units_of_others,
    a_ticket_behind_a_restored_one_that_was_claimed_is_restored_too,
    a_restored_ticket_can_be_cancelled_and_released,
    what_has_ended_is_not_restored,
    every_history_has_fences_of_its_own,
    a_sale_that_is_created_again_while_the_clock_is_behind_has_a_later_epoch,
    tickets_of_several_lost_epochs_are_restored,
];

/// Longer than holders of lost tickets come before other buyers.
const AFTER_RESTORES: u64 = 10_000;

/// Tickets for `count` buyers.
async fn given(sale: &Sale, count: u64) -> Vec<TicketRef> {
    let first = sale.snapshot().await.last_seq + 1;
    sale.fill(count).await;
    sale.tickets(&(first..first + count).collect::<Vec<Seq>>()).await
}

fn restoring(buyer: &str, ticket: TicketRef) -> AdmitRequest {
    AdmitRequest { restores: Some(ticket), ..admit_request(buyer, 1) }
}

/// Restores the ticket of the buyer that [`Sale::fill`] named after its seq.
async fn restore(sale: &Sale, ticket: TicketRef) -> Admission {
    sale.admit_one(restoring(&format!("buyer-{}", ticket.seq), ticket)).await
}

async fn states(sale: &Sale, tickets: &[TicketRef]) -> Vec<Option<TicketState>> {
    let statuses = sale.store.look_up(&sale.id, tickets).await.unwrap().statuses;
    statuses.into_iter().map(|status| status.as_ref().map(TicketStatus::state)).collect()
}

/// A sale of which the store knows `known` tickets and has lost `lost`.
async fn with_lost_tickets(context: &Context, known: u64, lost: u64) -> (Sale, Vec<TicketRef>) {
    let sale = context.sale("phone", SaleSettings::of_stock(100)).await;
    sale.fill(known).await;
    context.backend.checkpoint().await;
    let tickets = given(&sale, lost).await;
    context.backend.roll_back().await;
    context.backend.restart().await;
    (sale, tickets)
}

async fn a_restart_raises_the_epoch_and_loses_no_ticket(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let before = given(&sale, 3).await;
    context.backend.restart().await;
    context.advance(1);
    let after = given(&sale, 2).await;
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.rises, snapshot.restoring_until), (1, None));
    assert!(after.iter().all(|ticket| ticket.epoch == snapshot.epoch && ticket.epoch > before[0].epoch));
    let all: Vec<TicketRef> = before.iter().chain(&after).copied().collect();
    assert_eq!(states(&sale, &all).await, vec![Some(TicketState::Waiting); 5]);
    assert_eq!(sale.position(after[1].seq).await, 5);
    let claim = sale.claim(10).await;
    let named: Vec<TicketRef> = claim.entries.iter().map(|entry| claim.epochs.ticket(entry.seq)).collect();
    assert_eq!((named.len(), named[0]), (3, before[0]), "a claim ends where an epoch does");
    assert_eq!(seqs(&sale.claim(10).await), [after[0].seq, after[1].seq]);
}

async fn a_lost_ticket_is_never_given_again(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 2, 3).await;
    assert_eq!(states(&sale, &lost).await, vec![Some(TicketState::Lost); 3]);
    context.advance(AFTER_RESTORES);
    let new = given(&sale, 5).await;
    assert!(new.iter().all(|ticket| !lost.iter().any(|lost| lost.seq == ticket.seq)));
    assert_eq!(states(&sale, &lost).await, vec![Some(TicketState::Lost); 3]);
    assert_eq!(sale.store.cancel(&sale.id, &lost).await.unwrap(), [CancelResult::Lost; 3]);
    let released = sale.store.release(&sale.id, &lost).await.unwrap();
    assert_eq!(released, [ReleaseResult::NotOrdered(TicketState::Lost); 3]);
    assert_eq!(states(&sale, &new).await, vec![Some(TicketState::Waiting); 5]);
}

async fn older_data_that_was_put_back_by_hand_is_noticed(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    context.backend.checkpoint().await;
    let lost = given(&sale, 2).await;
    context.backend.roll_back().await;
    let reply = sale.admit(&[admit_request("new", 1)]).await;
    assert!(reply.epochs.present() > lost[0].epoch);
    assert!(matches!(reply.admissions[0], Admission::Refused(Refusal::Restoring { .. })), "{reply:?}");
    assert_eq!(states(&sale, &lost).await, [Some(TicketState::Lost); 2]);
}

async fn a_ticket_that_the_store_has_never_seen_shows_that_it_is_behind(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let [known] = given(&sale, 1).await[..] else { panic!("one ticket") };
    let ahead = TicketRef { seq: known.seq + 7, ..known };
    assert_eq!(states(&sale, &[known, ahead]).await, [Some(TicketState::Waiting), Some(TicketState::Lost)]);
    let snapshot = sale.snapshot().await;
    assert!(snapshot.rises == 1 && snapshot.last_seq > ahead.seq, "{snapshot:?}");
}

async fn a_ticket_that_the_store_has_never_seen_is_noticed_also_from_a_buyer_with_another(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let [known] = given(&sale, 1).await[..] else { panic!("one ticket") };
    let ahead = TicketRef { seq: known.seq + 7, ..known };
    let admission = sale.admit_one(restoring(&format!("buyer-{}", known.seq), ahead)).await;
    assert_eq!(admission, Admission::Existing { seq: known.seq });
    let snapshot = sale.snapshot().await;
    assert!(snapshot.rises == 1 && snapshot.last_seq > ahead.seq, "{snapshot:?}");
}

async fn lost_tickets_are_restored_in_their_old_order(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 3, 6).await;
    for &index in &[4, 1, 5, 0] {
        let admission = restore(&sale, lost[index]).await;
        assert_eq!(admission, Admission::Restored { seq: lost[index].seq });
    }
    let restored = [lost[0], lost[1], lost[4], lost[5]];
    for (position, ticket) in (4..).zip(restored) {
        let status = TicketStatus::Waiting { position, attempted: false };
        assert_eq!(sale.look_up(&[ticket.seq]).await, [Some(status)]);
    }
    assert_eq!(states(&sale, &[lost[2], lost[3]]).await, [Some(TicketState::Lost); 2]);
    assert_eq!(seqs(&sale.claim(10).await), [1, 2, 3], "others may still be restored");
    let claim = sale.claim(10).await;
    assert_eq!(claim.entries.len(), 0);
    assert!(claim.backlog.next_claim_in.is_some_and(|wait| !wait.is_zero()), "{claim:?}");
    context.advance(AFTER_RESTORES);
    let [new] = given(&sale, 1).await[..] else { panic!("one ticket") };
    assert_eq!(sale.position(new.seq).await, 5);
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let claim = sale.claim(10).await;
        claimed.extend(claim.entries.iter().map(|entry| claim.epochs.ticket(entry.seq)));
    }
    let expected: Vec<TicketRef> = restored.into_iter().chain([new]).collect();
    assert_eq!(claimed, expected);
}

async fn a_ticket_is_restored_once_and_only_for_a_buyer_without_another(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 1, 2).await;
    let seq = lost[0].seq;
    assert_eq!(restore(&sale, lost[0]).await, Admission::Restored { seq });
    assert_eq!(restore(&sale, lost[0]).await, Admission::Existing { seq });
    let twice =
        sale.admit(&[restoring("b", lost[1]), restoring("b", lost[1]), restoring("c", lost[1])]).await;
    let Admission::Restored { seq } = twice.admissions[0] else { panic!("{twice:?}") };
    assert_eq!(twice.admissions[1], Admission::Existing { seq });
    assert!(matches!(twice.admissions[2], Admission::Refused(Refusal::Restoring { .. })), "{twice:?}");
    assert_eq!(sale.admit_one(restoring("buyer-1", lost[1])).await, Admission::Existing { seq: 1 });
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.admitted.tickets, ledger.waiting.tickets), (3, 3));
    assert_eq!(sale.store.admitted_buyers(&sale.id, 0).await.unwrap().len(), 3);
}

async fn while_tickets_are_restored_new_buyers_wait(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 0, 2).await;
    let reply = sale.admit(&[admit_request("new", 1)]).await;
    let until = context.now().after(std::time::Duration::from_millis(AFTER_RESTORES));
    assert_eq!(reply.admissions, [Admission::Refused(Refusal::Restoring { until })]);
    assert_eq!(reply.gate, Gate::Refusing(Refusal::Restoring { until }));
    assert_eq!(sale.snapshot().await.restoring_until, Some(until));
    restore(&sale, lost[1]).await;
    context.advance(AFTER_RESTORES - 1);
    assert!(matches!(sale.admit(&[]).await.gate, Gate::Refusing(Refusal::Restoring { .. })));
    context.advance(1);
    assert_eq!(sale.admit(&[]).await.gate, Gate::Open);
    let new = sale.enqueue("new").await;
    assert_eq!(sale.position(new).await, 2);
    restore(&sale, lost[0]).await;
    assert_eq!(sale.position(new).await, 3, "also later a restored ticket has its old place");
}

async fn a_sale_restores_tickets_before_it_opens_and_not_while_it_is_held(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 1, 2).await;
    let opens_at = Some(context.now().after(std::time::Duration::from_secs(3600)));
    sale.change(|settings| settings.opens_at = opens_at).await;
    assert_eq!(restore(&sale, lost[0]).await, Admission::Restored { seq: lost[0].seq });
    sale.change(|settings| settings.admission_held = true).await;
    assert_eq!(restore(&sale, lost[1]).await, Admission::Refused(Refusal::Held));
}

async fn a_restart_while_tickets_are_restored_changes_nothing(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 1, 3).await;
    restore(&sale, lost[1]).await;
    context.backend.restart().await;
    assert!(matches!(sale.admit(&[]).await.gate, Gate::Refusing(Refusal::Restoring { .. })));
    assert_eq!(seqs(&sale.claim(10).await), [1]);
    let claim = sale.claim(10).await;
    assert_eq!((claim.entries.len(), sale.snapshot().await.rises), (0, 2), "{claim:?}");
    restore(&sale, lost[0]).await;
    context.advance(AFTER_RESTORES);
    assert_eq!(seqs(&sale.claim(10).await), [lost[0].seq, lost[1].seq]);
}

async fn a_ticket_that_the_queue_has_passed_is_claimed_next(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 1, 2).await;
    states(&sale, &lost).await;
    context.advance(AFTER_RESTORES);
    sale.claim(5).await;
    let new = given(&sale, 3).await;
    assert_eq!(seqs(&sale.claim(1).await), [new[0].seq]);
    assert_eq!(restore(&sale, lost[1]).await, Admission::Restored { seq: lost[1].seq });
    assert_eq!(sale.status(lost[1].seq).await, TicketStatus::Waiting { position: 1, attempted: true });
    let claim = sale.claim(2).await;
    let attempts: Vec<(Seq, u32)> = claim.entries.iter().map(|entry| (entry.seq, entry.attempt)).collect();
    assert_eq!(attempts, [(lost[1].seq, 1), (new[1].seq, 1)]);
}

async fn a_ticket_that_the_queue_has_passed_takes_no_units_of_others(context: Context) {
    let settings = SaleSettings { cap: Some(9), ..SaleSettings::of_stock(1) };
    let sale = context.sale("phone", settings).await;
    context.backend.checkpoint().await;
    let [lost] = given(&sale, 1).await[..] else { panic!("one ticket") };
    context.backend.roll_back().await;
    context.backend.restart().await;
    states(&sale, &[lost]).await;
    context.advance(AFTER_RESTORES);
    let [new] = given(&sale, 1).await[..] else { panic!("one ticket") };
    assert_eq!(sale.work_one(ordered("order")).await, new.seq);
    let admission = restore(&sale, lost).await;
    assert!(matches!(admission, Admission::Queued { position: 1, .. }), "on standby: {admission:?}");
    assert_eq!(sale.claim(1).await.entries.len(), 0);
}

async fn a_ticket_behind_a_restored_one_that_was_claimed_is_restored_too(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 0, 5).await;
    for index in [2, 4] {
        restore(&sale, lost[index]).await;
    }
    context.advance(AFTER_RESTORES);
    let [new] = given(&sale, 1).await[..] else { panic!("one ticket") };
    assert_eq!(seqs(&sale.claim(1).await), [lost[2].seq]);
    assert_eq!(restore(&sale, lost[0]).await, Admission::Restored { seq: lost[0].seq });
    assert_eq!(sale.status(lost[0].seq).await, TicketStatus::Waiting { position: 1, attempted: true });
    assert_eq!((sale.position(lost[4].seq).await, sale.position(new.seq).await), (1, 2));
    assert_eq!(sale.work_one(ordered("order")).await, lost[0].seq);
    assert_eq!(sale.release(&[lost[0].seq]).await, [ReleaseResult::Released]);
}

async fn a_restored_ticket_can_be_cancelled_and_released(context: Context) {
    let (sale, lost) = with_lost_tickets(&context, 0, 3).await;
    for ticket in &lost {
        restore(&sale, *ticket).await;
    }
    assert_eq!(sale.cancel(&[lost[1].seq]).await, [CancelResult::Cancelled]);
    assert_eq!(sale.position(lost[2].seq).await, 2);
    assert_eq!(restore(&sale, lost[1]).await, Admission::Existing { seq: lost[1].seq });
    context.advance(AFTER_RESTORES);
    assert_eq!(sale.work_one(ordered("order")).await, lost[0].seq);
    assert_eq!(sale.release(&[lost[0].seq]).await, [ReleaseResult::Released]);
    assert_eq!(sale.work_one(ordered("order")).await, lost[2].seq);
}

async fn what_has_ended_is_not_restored(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let [cancelled, known] = given(&sale, 2).await[..] else { panic!("two tickets") };
    sale.cancel(&[cancelled.seq]).await;
    context.backend.restart().await;
    let again = sale.admit_one(restoring("buyer-1", cancelled)).await;
    assert_eq!(again, Admission::Existing { seq: cancelled.seq });
    let foreign = TicketRef { epoch: 1, seq: 5 };
    for (buyer, ticket) in [("x", known), ("y", foreign)] {
        let admission = sale.admit_one(restoring(buyer, ticket)).await;
        assert!(matches!(admission, Admission::Queued { .. }), "{admission:?}");
    }
}

async fn every_history_has_fences_of_its_own(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(2).await;
    context.backend.checkpoint().await;
    let lost = sale.claim(1).await;
    context.backend.roll_back().await;
    context.backend.restart().await;
    let again = sale.claim(1).await;
    assert_eq!(seqs(&again), seqs(&lost));
    assert!(again.fence > lost.fence);
    // Nor do two histories share one that part at the same moment.
    context.backend.roll_back().await;
    context.backend.restart().await;
    let other = sale.claim(1).await;
    assert_eq!(seqs(&other), seqs(&again));
    assert_ne!(other.fence, again.fence);
    let late = LeaseToken { seq: 1, fence: again.fence };
    assert_eq!(sale.settle(late, ordered("of a history that is gone")).await, SettleResult::Stale);
}

async fn a_sale_that_is_created_again_while_the_clock_is_behind_has_a_later_epoch(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let before = given(&sale, 1).await;
    sale.store.close(&sale.id).await.unwrap();
    sale.store.delete(&sale.id).await.unwrap();
    context.set_back(60_000);
    let again = context.sale("phone", SaleSettings::of_stock(10)).await;
    let after = given(&again, 1).await;
    assert!(after[0].epoch > before[0].epoch);
    assert_eq!(again.snapshot().await.rises, 0);
    assert_eq!(states(&again, &before).await, [None]);
    assert_eq!(states(&again, &after).await, [Some(TicketState::Waiting)]);
}

async fn tickets_of_several_lost_epochs_are_restored(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(20)).await;
    sale.fill(1).await;
    context.backend.checkpoint().await;
    let first = given(&sale, 2).await;
    context.backend.restart().await;
    context.advance(5);
    let second = given(&sale, 2).await;
    context.backend.roll_back().await;
    context.backend.restart().await;
    context.advance(5);
    let lost: Vec<TicketRef> = first.iter().chain(&second).copied().collect();
    assert_eq!(states(&sale, &lost).await, [Some(TicketState::Lost); 4]);
    for ticket in lost.iter().rev() {
        assert_eq!(restore(&sale, *ticket).await, Admission::Restored { seq: ticket.seq });
    }
    context.advance(AFTER_RESTORES);
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let claim = sale.claim(10).await;
        claimed.extend(claim.entries.iter().map(|entry| claim.epochs.ticket(entry.seq)));
    }
    assert_eq!(claimed[1..], lost);
}
