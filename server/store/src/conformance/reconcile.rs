//! Orders that the order system has, and that the store has forgotten.

use inrush_core::{
    epochs::TicketRef,
    sale::SaleSettings,
    store::{Admission, AdmitRequest, CancelResult, Finding, Gate, KnownOrder, Refusal, ReleaseResult},
    ticket::{MAX_SEQ, Seq, TicketState, TicketStatus},
};

use super::{
    case::cases,
    context::Context,
    sale::{Sale, admit_request, ordered, rejected, retry, seqs},
};

cases![
    a_comparison_changes_nothing,
    an_order_that_the_queue_knows_is_the_same,
    a_lost_ticket_with_an_order_is_ordered_and_holds_its_units,
    a_lost_ticket_with_an_order_is_its_buyers_and_is_not_restored,
    a_lost_ticket_whose_order_was_released_is_released,
    a_waiting_ticket_with_an_order_leaves_the_queue,
    a_restored_ticket_with_an_order_leaves_the_queue,
    a_ticket_that_was_claimed_before_is_settled,
    without_a_loss_a_waiting_ticket_waits_for_its_turn,
    a_cancelled_ticket_with_an_order_is_ordered_after_a_loss,
    an_order_that_was_released_is_released_in_the_queue,
    orders_that_cannot_be_the_tickets_are_found_and_change_nothing,
    orders_of_cancelled_tickets_take_no_more_than_was_cancelled,
    an_order_of_another_buyer_settles_no_ticket_without_an_entry,
    a_ticket_ahead_of_the_queue_shows_that_it_is_behind,
    a_ticket_that_no_server_can_have_given_does_not_raise_the_epoch,
    an_order_of_a_history_that_parted_is_counted,
    units_of_forgotten_orders_are_not_given_to_others,
    a_sale_with_more_orders_than_stock_can_be_held,
    orders_of_tickets_that_expired_are_counted,
];

const AFTER_RESTORES: u64 = 10_000;

/// The order of a ticket whose buyer [`Sale::fill`] named after its seq.
fn order(ticket: TicketRef) -> KnownOrder {
    KnownOrder {
        ticket,
        buyer: format!("buyer-{}", ticket.seq).parse().unwrap(),
        units: 1,
        order_id: format!("order-{}", ticket.seq),
        released: false,
    }
}

fn released(ticket: TicketRef) -> KnownOrder {
    KnownOrder { released: true, ..order(ticket) }
}

const fn settled(was: TicketState) -> Finding {
    Finding::Settled { was }
}

fn is_ordered(ticket: TicketRef) -> Option<TicketStatus> {
    Some(TicketStatus::Ordered { order_id: format!("order-{}", ticket.seq) })
}

async fn statuses(sale: &Sale, tickets: &[TicketRef]) -> Vec<Option<TicketStatus>> {
    sale.store.look_up(&sale.id, tickets).await.unwrap().statuses
}

/// Tickets for `count` buyers.
async fn given(sale: &Sale, count: u64) -> Vec<TicketRef> {
    let first = sale.snapshot().await.last_seq + 1;
    sale.fill(count).await;
    sale.tickets(&(first..first + count).collect::<Vec<Seq>>()).await
}

/// A sale of which the store knows `known` waiting tickets and has lost `lost`, after the time to restore.
async fn after_a_loss(context: &Context, stock: u64, known: u64, lost: u64) -> (Sale, Vec<TicketRef>) {
    let sale = context.sale("phone", SaleSettings::of_stock(stock)).await;
    let mut tickets = given(&sale, known).await;
    context.backend.checkpoint().await;
    tickets.extend(given(&sale, lost).await);
    context.backend.roll_back().await;
    context.backend.restart().await;
    statuses(&sale, &tickets).await;
    context.advance(AFTER_RESTORES);
    (sale, tickets)
}

async fn restore(sale: &Sale, ticket: TicketRef) -> Admission {
    let request = admit_request(&format!("buyer-{}", ticket.seq), 1);
    sale.admit_one(AdmitRequest { restores: Some(ticket), ..request }).await
}

async fn a_comparison_changes_nothing(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 1, 1).await;
    let before = (sale.snapshot().await, statuses(&sale, &tickets).await);
    let orders = [order(tickets[0]), order(tickets[1])];
    let found = sale.reconcile(&orders, false).await;
    assert_eq!(found, [settled(TicketState::Waiting), settled(TicketState::Lost)]);
    assert_eq!((sale.snapshot().await, statuses(&sale, &tickets).await), before);
    assert_eq!(sale.reconcile(&[order(tickets[0]), order(tickets[0])], true).await[1], Finding::Repeated);
    assert_eq!(sale.snapshot().await.ledger.ordered.tickets, 1);
}

async fn an_order_that_the_queue_knows_is_the_same(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    let tickets = given(&sale, 3).await;
    let claim = sale.claim(3).await;
    assert_eq!(seqs(&claim), [1, 2, 3]);
    let outcomes = [ordered("order-1"), rejected("no")];
    for (seq, outcome) in (1..).zip(outcomes) {
        let lease_token = inrush_core::store::LeaseToken { seq, fence: claim.fence };
        sale.settle(lease_token, outcome).await;
    }
    let orders = [order(tickets[0]), released(tickets[1]), order(tickets[2])];
    assert_eq!(sale.reconcile(&orders, true).await, [Finding::Same, Finding::Same, Finding::Pending]);
    sale.release(&[1]).await;
    assert_eq!(sale.reconcile_one(released(tickets[0])).await, Finding::Same);
    assert_eq!(sale.reconcile_one(order(tickets[0])).await, Finding::ReleasedOnlyHere);
    assert_eq!(sale.snapshot().await.reconciled.tickets, 0);
}

async fn a_lost_ticket_with_an_order_is_ordered_and_holds_its_units(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 3, 1, 2).await;
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, settled(TicketState::Lost));
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, Finding::Same);
    assert_eq!(statuses(&sale, &tickets[1..]).await, [is_ordered(tickets[1]), Some(TicketStatus::Lost)]);
    let snapshot = sale.snapshot().await;
    assert_eq!(
        (snapshot.ledger.ordered.units, snapshot.ledger.waiting.units, snapshot.free_units()),
        (1, 1, 1)
    );
    assert_eq!((snapshot.reconciled.tickets, snapshot.ledger.admitted.tickets), (1, 2));
    assert_eq!(sale.position(1).await, 1);
    let new = sale.enqueue("new").await;
    assert_eq!(sale.position(new).await, 2, "a forgotten order has no place in the queue");
    assert_eq!(sale.admit_one(admit_request("late", 1)).await, Admission::Refused(Refusal::SoldOut));
    let claim = sale.claim(9).await;
    assert_eq!((seqs(&claim), seqs(&sale.claim(9).await)), (vec![1], vec![new]));
}

async fn a_lost_ticket_with_an_order_is_its_buyers_and_is_not_restored(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 0, 3).await;
    let orders: Vec<KnownOrder> = tickets.iter().map(|&ticket| order(ticket)).collect();
    sale.admit_one(admit_request("buyer-3", 1)).await;
    sale.reconcile(&orders, true).await;
    for ticket in &tickets[..2] {
        let buyer = format!("buyer-{}", ticket.seq);
        let existing = Admission::Existing { seq: ticket.seq };
        assert_eq!(restore(&sale, *ticket).await, existing);
        assert_eq!(sale.admit_one(admit_request(&buyer, 1)).await, existing);
    }
    let again = AdmitRequest {
        supersedes: Some(tickets[0].seq),
        restores: Some(tickets[0]),
        ..admit_request("buyer-1", 1)
    };
    let admission = sale.admit_one(again).await;
    assert!(matches!(admission, Admission::Queued { .. }), "an order is not restored: {admission:?}");
    assert!(matches!(restore(&sale, tickets[2]).await, Admission::Existing { seq } if seq > tickets[2].seq));
    assert_eq!(sale.store.admitted_buyers(&sale.id, 0).await.unwrap().len(), 5);
}

async fn a_lost_ticket_whose_order_was_released_is_released(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 0, 1).await;
    assert_eq!(sale.reconcile_one(released(tickets[0])).await, settled(TicketState::Lost));
    let order_id = "order-1".to_owned();
    assert_eq!(statuses(&sale, &tickets).await, [Some(TicketStatus::Released { order_id })]);
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.ledger.released.units, snapshot.free_units()), (1, 9));
}

async fn a_waiting_ticket_with_an_order_leaves_the_queue(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 3, 0).await;
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, settled(TicketState::Waiting));
    assert_eq!(statuses(&sale, &tickets[1..2]).await, [is_ordered(tickets[1])]);
    assert_eq!((sale.position(1).await, sale.position(3).await), (1, 2));
    assert_eq!(sale.cancel(&[2]).await, [CancelResult::AlreadyCancelled]);
    assert_eq!(seqs(&sale.claim(9).await), [1, 3]);
    assert_eq!(statuses(&sale, &tickets[1..2]).await, [is_ordered(tickets[1])]);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.ordered.units, ledger.in_flight.units, ledger.admitted.units), (1, 2, 3));
    assert_eq!(sale.release(&[2]).await, [ReleaseResult::Released]);
}

async fn a_restored_ticket_with_an_order_leaves_the_queue(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 1, 3).await;
    assert_eq!(sale.reconcile_one(order(tickets[2])).await, settled(TicketState::Lost));
    for ticket in [tickets[1], tickets[3]] {
        assert_eq!(restore(&sale, ticket).await, Admission::Restored { seq: ticket.seq });
    }
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, settled(TicketState::Waiting));
    assert_eq!(statuses(&sale, &tickets[1..3]).await, [is_ordered(tickets[1]), is_ordered(tickets[2])]);
    assert_eq!((sale.position(1).await, sale.position(tickets[3].seq).await), (1, 2));
    let mut claimed = seqs(&sale.claim(9).await);
    claimed.extend(seqs(&sale.claim(9).await));
    assert_eq!(claimed, [1, tickets[3].seq]);
    assert_eq!(sale.snapshot().await.ledger.admitted.tickets, 4);
}

async fn a_ticket_that_was_claimed_before_is_settled(context: Context) {
    let settings = SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(9) };
    let sale = context.sale("phone", settings).await;
    let tickets = given(&sale, 3).await;
    assert_eq!(sale.work_one(retry(0, "down")).await, 1);
    sale.change(|settings| settings.max_attempts = 5).await;
    assert_eq!(sale.work_one(retry(60_000, "down")).await, 2);
    assert_eq!(sale.work_one(rejected("down")).await, 3);
    let orders: Vec<KnownOrder> = tickets.iter().map(|&ticket| order(ticket)).collect();
    let was = [TicketState::Dead, TicketState::Waiting, TicketState::Rejected];
    assert_eq!(sale.reconcile(&orders, true).await, was.map(settled));
    assert_eq!(statuses(&sale, &tickets).await, [0, 1, 2].map(|index| is_ordered(tickets[index])));
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.ordered.tickets, ledger.dead.tickets, ledger.retrying.tickets), (3, 0, 0));
    assert_eq!(sale.dead_letters(0, 9).await, []);
    context.advance(60_000);
    assert_eq!(sale.claim(9).await.entries.len(), 0);
}

async fn without_a_loss_a_waiting_ticket_waits_for_its_turn(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    let tickets = given(&sale, 2).await;
    sale.cancel(&[2]).await;
    let orders = [order(tickets[0]), order(tickets[1])];
    assert_eq!(sale.reconcile(&orders, true).await, [Finding::Pending, Finding::EndedHere]);
    assert_eq!(sale.position(1).await, 1);
}

async fn a_cancelled_ticket_with_an_order_is_ordered_after_a_loss(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 3, 0).await;
    sale.cancel(&[1, 2]).await;
    assert_eq!(sale.reconcile_one(order(tickets[0])).await, settled(TicketState::Cancelled));
    assert_eq!(statuses(&sale, &tickets[..2]).await, [is_ordered(tickets[0]), Some(TicketStatus::Cancelled)]);
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.cancelled.units, ledger.ordered.units), (1, 1));
    assert_eq!((sale.position(3).await, seqs(&sale.claim(9).await)), (1, vec![3]));
}

async fn an_order_that_was_released_is_released_in_the_queue(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let tickets = given(&sale, 1).await;
    sale.work_one(ordered("order-1")).await;
    assert!(matches!(sale.admit(&[]).await.gate, Gate::Refusing(Refusal::SoldOut)));
    assert_eq!(sale.reconcile_one(released(tickets[0])).await, settled(TicketState::Ordered));
    assert_eq!(sale.admit(&[]).await.gate, Gate::Open);
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.ledger.ordered.tickets, snapshot.ledger.released.tickets), (0, 1));
}

async fn orders_that_cannot_be_the_tickets_are_found_and_change_nothing(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 3, 1).await;
    assert_eq!(sale.work_one(ordered("order-1")).await, 1);
    sale.reconcile_one(order(tickets[3])).await;
    let before = sale.snapshot().await;
    let others: [(KnownOrder, Finding); 5] = [
        (KnownOrder { order_id: "another".into(), ..order(tickets[0]) }, Finding::OtherOrder),
        (KnownOrder { buyer: "another".parse().unwrap(), ..order(tickets[1]) }, Finding::OtherBuyer),
        (KnownOrder { units: 2, ..order(tickets[2]) }, Finding::OtherBuyer),
        (KnownOrder { order_id: "another".into(), ..order(tickets[3]) }, Finding::OtherOrder),
        (order(TicketRef { epoch: 1, seq: 1 }), Finding::Foreign),
    ];
    let (orders, findings): (Vec<KnownOrder>, Vec<Finding>) = others.into_iter().unzip();
    assert_eq!(sale.reconcile(&orders, true).await, findings);
    assert_eq!(sale.snapshot().await, before);
}

/// Found by the random scenarios (seed 1857603034): a cancelled ticket has no units that an order's could be compared with.
async fn orders_of_cancelled_tickets_take_no_more_than_was_cancelled(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 3, 0).await;
    sale.cancel(&[1, 2]).await;
    let two = |ticket| KnownOrder { units: 2, ..order(ticket) };
    let all_units = [two(tickets[0]), order(tickets[1])];
    let found = [Finding::OtherBuyer, settled(TicketState::Cancelled)];
    assert_eq!(sale.reconcile(&all_units, false).await, found, "each other ticket has a unit");
    assert_eq!(sale.reconcile(&all_units, true).await, found);
    assert_eq!(sale.reconcile_one(two(tickets[0])).await, Finding::OtherBuyer);
    assert_eq!(sale.reconcile_one(order(tickets[0])).await, settled(TicketState::Cancelled));
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.cancelled.tickets, ledger.cancelled.units, ledger.ordered.units), (0, 0, 2));
}

async fn an_order_of_another_buyer_settles_no_ticket_without_an_entry(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 3, 0).await;
    assert_eq!(sale.work_one(rejected("no")).await, 1);
    sale.cancel(&[2]).await;
    let before = sale.snapshot().await;
    for buyer in ["another", "buyer-1"] {
        let of = |ticket| KnownOrder { buyer: buyer.parse().unwrap(), ..order(ticket) };
        assert_eq!(sale.reconcile_one(of(tickets[1])).await, Finding::OtherBuyer, "{buyer}");
    }
    let another = KnownOrder { buyer: "another".parse().unwrap(), ..order(tickets[0]) };
    assert_eq!(sale.reconcile_one(another).await, Finding::OtherBuyer);
    assert_eq!(sale.snapshot().await, before);
    // A buyer with a later ticket has had the earlier one.
    let again = AdmitRequest { supersedes: Some(1), ..admit_request("buyer-1", 1) };
    assert!(matches!(sale.admit_one(again).await, Admission::Queued { .. }));
    assert_eq!(sale.reconcile_one(order(tickets[0])).await, settled(TicketState::Rejected));
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, settled(TicketState::Cancelled));
}

async fn a_ticket_that_no_server_can_have_given_does_not_raise_the_epoch(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    let [known] = given(&sale, 1).await[..] else { panic!("one ticket") };
    let of_the_future = TicketRef { epoch: known.epoch * 2, seq: 1 };
    let too_late = TicketRef { seq: MAX_SEQ, ..known };
    assert_eq!(sale.reconcile(&[order(of_the_future), order(too_late)], true).await, [Finding::Foreign; 2]);
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.rises, snapshot.last_seq, snapshot.reconciled.tickets), (0, 1, 0));
}

async fn a_ticket_ahead_of_the_queue_shows_that_it_is_behind(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    let [known] = given(&sale, 1).await[..] else { panic!("one ticket") };
    let ahead = TicketRef { seq: 7, ..known };
    assert_eq!(sale.reconcile(&[order(ahead)], false).await, [Finding::Ahead]);
    assert_eq!(sale.snapshot().await.rises, 0);
    assert_eq!(sale.reconcile_one(order(ahead)).await, settled(TicketState::Lost));
    assert_eq!(sale.snapshot().await.rises, 1);
    assert_eq!(statuses(&sale, &[ahead]).await, [is_ordered(ahead)]);
}

async fn an_order_of_a_history_that_parted_is_counted(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 9, 2, 0).await;
    let present = sale.snapshot().await.epoch;
    // Of an epoch between the two that the store knows: it was given by a server that was then replaced.
    let parted = TicketRef { epoch: present - 1, seq: tickets[1].seq };
    assert_eq!(sale.reconcile_one(order(parted)).await, settled(TicketState::Lost));
    assert_eq!(sale.reconcile_one(order(parted)).await, Finding::Same);
    assert_eq!(statuses(&sale, &[parted]).await, [is_ordered(parted)]);
    assert_eq!(sale.position(tickets[1].seq).await, 2, "its seq is another ticket's");
    assert_eq!(sale.snapshot().await.ledger.ordered.units, 1);
    let released = sale.store.release(&sale.id, &[parted, parted]).await.unwrap();
    assert_eq!(released, [ReleaseResult::Released, ReleaseResult::AlreadyReleased]);
    assert_eq!(sale.snapshot().await.ledger.ordered.units, 0);
}

async fn units_of_forgotten_orders_are_not_given_to_others(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 2, 0, 2).await;
    let early = sale.enqueue("early").await;
    let orders: Vec<KnownOrder> = tickets.iter().map(|&ticket| order(ticket)).collect();
    sale.reconcile(&orders, true).await;
    assert_eq!(sale.admit_one(admit_request("late", 1)).await, Admission::Refused(Refusal::SoldOut));
    assert_eq!(sale.claim(9).await.entries.len(), 0, "the stock has no unit for it");
    let released = sale.store.release(&sale.id, &tickets[..1]).await.unwrap();
    assert_eq!(released, [ReleaseResult::Released]);
    assert_eq!(seqs(&sale.claim(9).await), [early]);
}

async fn a_sale_with_more_orders_than_stock_can_be_held(context: Context) {
    let (sale, tickets) = after_a_loss(&context, 2, 0, 2).await;
    given(&sale, 2).await;
    let orders: Vec<KnownOrder> = tickets.iter().map(|&ticket| order(ticket)).collect();
    sale.reconcile(&orders, true).await;
    let held = sale.change(|settings| settings.fulfilment_held = true).await;
    assert!(matches!(held, inrush_core::store::ConfigureResult::Done(_)), "{held:?}");
    let less = sale.change(|settings| settings.stock = Some(1)).await;
    assert_eq!(less, inrush_core::store::ConfigureResult::CapBelowHeld { held: 4 });
}

async fn orders_of_tickets_that_expired_are_counted(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(9)).await;
    let tickets = given(&sale, 2).await;
    sale.close().await;
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, Finding::EndedHere);
    context.backend.restart().await;
    assert_eq!(sale.reconcile_one(order(tickets[1])).await, settled(TicketState::Expired));
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.expired.units, ledger.ordered.units), (1, 1));
    assert_eq!(sale.ticket_state(1).await, TicketState::Expired);
    assert_eq!(statuses(&sale, &tickets[1..]).await, [is_ordered(tickets[1])]);
}
