//! Admission: seqs, repeats, refusals, and the gate.

use inrush_core::{
    epochs::Epochs,
    sale::{BuyerId, Route, SaleSettings},
    store::{Admission, AdmitReply, AdmitRequest, Durability, Gate, MAX_ADMITTED_BUYERS, MAX_BATCH, Refusal},
    ticket::Seq,
    time::Timestamp,
};

use super::{
    case::cases,
    context::{Context, START, created_at},
    sale::{Sale, admit_request, ordered, rejected, retry, seqs},
};

cases! {
    seqs_and_positions_rise_by_one,
    a_reply_has_the_state_of_the_sale,
    a_repeat_gets_the_same_ticket,
    a_repeat_gets_its_ticket_in_every_state_of_the_sale,
    a_superseded_ticket_is_ignored_by_the_duplicate_check,
    refusals_are_checked_in_order,
    opening_and_closing_are_exact_to_the_millisecond,
    units_are_all_or_nothing,
    the_cap_bounds_units_not_tickets,
    a_cap_above_the_stock_makes_a_standby_queue,
    a_claim_frees_the_cap_of_a_sale_without_stock,
    retries_of_a_sale_without_stock_leave_less_room,
    an_empty_batch_returns_the_gate,
    the_gate_follows_the_batch,
    a_full_batch_is_admitted,
    entries_are_claimed_unchanged,
    the_hashes_of_admitted_buyers_are_listed,
    many_hashes_are_returned_in_pages,
}

fn queued(seq: Seq, position: u64) -> Admission {
    Admission::Queued { seq, position }
}

fn existing(seq: Seq) -> Admission {
    Admission::Existing { seq }
}

fn superseding(buyer: &str, seq: Seq) -> AdmitRequest {
    AdmitRequest { supersedes: Some(seq), ..admit_request(buyer, 1) }
}

async fn seqs_and_positions_rise_by_one(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    let reply = sale.admit(&[admit_request("ann", 1), admit_request("bob", 1)]).await;
    assert_eq!(reply.admissions, [queued(1, 1), queued(2, 2)]);
    assert_eq!(sale.admit_one(admit_request("cleo", 1)).await, queued(3, 3));
    sale.claim(2).await;
    assert_eq!(sale.admit_one(admit_request("dan", 1)).await, queued(4, 2));
    sale.cancel(&[3]).await;
    let reply = sale.admit(&[admit_request("eve", 1), admit_request("fay", 1)]).await;
    assert_eq!(reply.admissions, [queued(5, 2), queued(6, 3)]);
    let sale = sale.snapshot().await;
    assert_eq!((sale.last_seq, sale.cursor), (6, 2));
}

async fn a_reply_has_the_state_of_the_sale(context: Context) {
    context.advance(5);
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    context.advance(5);
    let epoch = sale.snapshot().await.epoch;
    assert_eq!(created_at(epoch).0, START.0 + 5);
    let expected = AdmitReply {
        epochs: Epochs::new(epoch),
        admitted: 1,
        measured_pace: 0,
        durability: Durability::Memory,
        has_stock: true,
        gate: Gate::Open,
        admissions: vec![queued(1, 1)],
    };
    assert_eq!(sale.admit(&[admit_request("ann", 1)]).await, expected);
    let lunch = context.sale("lunch", SaleSettings::without_stock(10)).await;
    let reply = lunch.admit(&[admit_request("ann", 1)]).await;
    assert_eq!((reply.has_stock, created_at(reply.epochs.present()).0), (false, START.0 + 10));
}

async fn a_repeat_gets_the_same_ticket(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 3, ..SaleSettings::of_stock(4) }).await;
    let reply = sale
        .admit(&[
            admit_request("ann", 1),
            admit_request("bob", 1),
            admit_request("ann", 1),
            admit_request("ann", 3),
        ])
        .await;
    assert_eq!(reply.admissions, [queued(1, 1), queued(2, 2), existing(1), existing(1)]);
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, existing(2));
    assert_eq!(sale.snapshot().await.ledger.admitted.units, 2);
    for outcome in [retry(0, "busy"), ordered("o-1")] {
        sale.work_one(outcome).await;
        assert_eq!(sale.admit_one(admit_request("ann", 1)).await, existing(1));
    }
    sale.release(&[1]).await;
    sale.cancel(&[2]).await;
    assert_eq!(
        sale.admit(&[admit_request("bob", 1), admit_request("ann", 1)]).await.admissions,
        [existing(2), existing(1)]
    );
}

async fn a_repeat_gets_its_ticket_in_every_state_of_the_sale(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    sale.enqueue("ann").await;
    let changes: [fn(&mut SaleSettings); 4] = [
        |settings| settings.admission_held = true,
        |settings| settings.opens_at = Some(Timestamp(START.0 + 1000)),
        |settings| settings.closes_at = Some(Timestamp(START.0 - 1)),
        |settings| settings.route = Route::Bypass,
    ];
    for change in changes {
        sale.change(change).await;
        assert_eq!(sale.admit_one(admit_request("ann", 9)).await, existing(1));
    }
    sale.close().await;
    assert_eq!(sale.admit_one(admit_request("ann", 1)).await, existing(1));
}

async fn a_superseded_ticket_is_ignored_by_the_duplicate_check(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(10)).await;
    sale.fill(2).await;
    sale.cancel(&[1]).await;
    // Another seq than the buyer's current one supersedes nothing.
    assert_eq!(sale.admit_one(superseding("buyer-1", 2)).await, existing(1));
    assert_eq!(sale.admit_one(superseding("buyer-1", 0)).await, existing(1));
    let reply = sale
        .admit(&[superseding("buyer-1", 1), superseding("buyer-1", 1), admit_request("buyer-1", 1)])
        .await;
    assert_eq!(reply.admissions, [queued(3, 2), existing(3), existing(3)]);
    assert_eq!(sale.admit_one(superseding("buyer-1", 1)).await, existing(3));
    assert_eq!(sale.admit_one(superseding("cleo", 1)).await, queued(4, 3));
    assert_eq!(sale.snapshot().await.ledger.admitted.tickets, 4);
}

type RemoveObstacle = fn(&mut SaleSettings);

/// A sale that refuses two units for every reason; the reasons are removed one by one.
async fn refusals_are_checked_in_order(context: Context) {
    let opens_at = Timestamp(START.0 + 1000);
    let settings = SaleSettings {
        route: Route::Bypass,
        opens_at: Some(opens_at),
        closes_at: Some(START),
        admission_held: true,
        ..SaleSettings::of_stock(1)
    };
    let sale = context.sale("phone", settings).await;
    let both = |refusal| (Admission::Refused(refusal), Gate::Refusing(refusal));
    let steps: [(RemoveObstacle, (Admission, Gate)); 6] = [
        (|_| {}, (Admission::Bypass, Gate::Bypass)),
        (|settings| settings.route = Route::Queue, both(Refusal::Closed)),
        (|settings| settings.closes_at = None, both(Refusal::NotOpen { opens_at })),
        (|settings| settings.opens_at = None, both(Refusal::Held)),
        (
            |settings| settings.admission_held = false,
            (Admission::Refused(Refusal::UnitLimit { limit: 1 }), Gate::Open),
        ),
        (|settings| settings.unit_limit = 2, (Admission::Refused(Refusal::SoldOut), Gate::Open)),
    ];
    for (remove_obstacle, expected) in steps {
        sale.change(remove_obstacle).await;
        let reply = sale.admit(&[admit_request("ann", 2)]).await;
        assert_eq!((reply.admissions[0], reply.gate), expected);
    }
    assert_eq!(sale.snapshot().await.last_seq, 0);
    sale.change(|settings| settings.stock = Some(2)).await;
    let reply = sale.admit(&[admit_request("ann", 2)]).await;
    assert_eq!((reply.admissions[0], reply.gate), (queued(1, 1), Gate::Refusing(Refusal::SoldOut)));
    assert_eq!(
        sale.admit_one(admit_request("bob", 3)).await,
        Admission::Refused(Refusal::UnitLimit { limit: 2 })
    );
    sale.close().await;
    let reply = sale.admit(&[admit_request("bob", 3)]).await;
    assert_eq!((reply.admissions[0], reply.gate), both(Refusal::Closed));
}

async fn opening_and_closing_are_exact_to_the_millisecond(context: Context) {
    let opens_at = Timestamp(START.0 + 10);
    let settings = SaleSettings {
        opens_at: Some(opens_at),
        closes_at: Some(Timestamp(START.0 + 20)),
        ..SaleSettings::of_stock(10)
    };
    let sale = context.sale("phone", settings).await;
    context.advance(9);
    assert_eq!(
        sale.admit_one(admit_request("ann", 1)).await,
        Admission::Refused(Refusal::NotOpen { opens_at })
    );
    context.advance(1);
    assert_eq!(sale.admit_one(admit_request("ann", 1)).await, queued(1, 1));
    context.advance(9);
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, queued(2, 2));
    context.advance(1);
    assert_eq!(sale.admit_one(admit_request("cleo", 1)).await, Admission::Refused(Refusal::Closed));
    assert_eq!(seqs(&sale.claim(9).await), [1, 2]);
}

async fn units_are_all_or_nothing(context: Context) {
    let sale = context.sale("phone", SaleSettings { unit_limit: 5, ..SaleSettings::of_stock(7) }).await;
    let requests = [
        admit_request("ann", 4),
        admit_request("bob", 4),
        admit_request("cleo", 6),
        admit_request("dan", 3),
        admit_request("eve", 1),
    ];
    let reply = sale.admit(&requests).await;
    assert_eq!(
        reply.admissions,
        [
            queued(1, 1),
            Admission::Refused(Refusal::SoldOut),
            Admission::Refused(Refusal::UnitLimit { limit: 5 }),
            queued(2, 2),
            Admission::Refused(Refusal::SoldOut),
        ]
    );
    let ledger = sale.snapshot().await.ledger;
    assert_eq!((ledger.waiting.tickets, ledger.waiting.units), (2, 7));
}

async fn the_cap_bounds_units_not_tickets(context: Context) {
    let sale = context
        .sale("phone", SaleSettings { cap: Some(3), unit_limit: 3, ..SaleSettings::of_stock(10) })
        .await;
    assert_eq!(sale.admit_one(admit_request("ann", 3)).await, queued(1, 1));
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, Admission::Refused(Refusal::SoldOut));
    // With a stock, units stay held until they are returned.
    sale.work_one(ordered("o-1")).await;
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, Admission::Refused(Refusal::SoldOut));
    sale.release(&[1]).await;
    assert_eq!(sale.admit_one(admit_request("bob", 1)).await, queued(2, 1));
}

async fn a_cap_above_the_stock_makes_a_standby_queue(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(3), ..SaleSettings::of_stock(1) }).await;
    let reply = sale
        .admit(&[
            admit_request("ann", 1),
            admit_request("bob", 1),
            admit_request("cleo", 1),
            admit_request("dan", 1),
        ])
        .await;
    assert_eq!(
        reply.admissions,
        [queued(1, 1), queued(2, 2), queued(3, 3), Admission::Refused(Refusal::SoldOut)]
    );
}

async fn a_claim_frees_the_cap_of_a_sale_without_stock(context: Context) {
    let sale = context.sale("lunch", SaleSettings::without_stock(2)).await;
    sale.fill(2).await;
    assert_eq!(sale.admit_one(admit_request("cleo", 1)).await, Admission::Refused(Refusal::SoldOut));
    sale.claim(1).await;
    assert_eq!(sale.admit_one(admit_request("cleo", 1)).await, queued(3, 2));
    assert_eq!(sale.admit_one(admit_request("dan", 1)).await, Admission::Refused(Refusal::SoldOut));
}

async fn retries_of_a_sale_without_stock_leave_less_room(context: Context) {
    let sale = context.sale("lunch", SaleSettings::without_stock(2)).await;
    sale.fill(2).await;
    let [first, second] = [sale.claim_one().await, sale.claim_one().await];
    sale.fill(2).await;
    sale.settle(first, retry(60_000, "busy")).await;
    sale.settle(second, retry(60_000, "busy")).await;
    let snapshot = sale.snapshot().await;
    assert_eq!((snapshot.ledger.waiting.tickets, snapshot.free_units()), (4, 0));
    sale.claim(2).await;
    assert_eq!(sale.snapshot().await.free_units(), 0);
    context.advance(60_000);
    assert_eq!(seqs(&sale.claim(1).await), [1]);
    assert_eq!(sale.admit_one(admit_request("eve", 1)).await, queued(5, 1));
}

async fn an_empty_batch_returns_the_gate(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let reply = sale.admit(&[]).await;
    assert_eq!((reply.gate, reply.admitted, created_at(reply.epochs.present())), (Gate::Open, 0, START));
    sale.enqueue("ann").await;
    assert_eq!(sale.admit(&[]).await.gate, Gate::Refusing(Refusal::SoldOut));
}

async fn the_gate_follows_the_batch(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(2), ..SaleSettings::of_stock(2) }).await;
    assert_eq!(sale.admit(&[admit_request("ann", 1)]).await.gate, Gate::Open);
    assert_eq!(sale.admit(&[admit_request("bob", 1)]).await.gate, Gate::Refusing(Refusal::SoldOut));
    sale.cancel(&[1]).await;
    assert_eq!(sale.admit(&[]).await.gate, Gate::Open);
    sale.work_one(rejected("no")).await;
    let reply =
        sale.admit(&[admit_request("cleo", 1), admit_request("dan", 1), admit_request("eve", 1)]).await;
    assert_eq!(reply.admissions[2], Admission::Refused(Refusal::SoldOut));
    assert_eq!(reply.gate, Gate::Refusing(Refusal::SoldOut));
}

async fn a_full_batch_is_admitted(context: Context) {
    let cap = 2 * MAX_BATCH as u64 - 1;
    let sale = context.sale("phone", SaleSettings::of_stock(cap)).await;
    sale.fill(MAX_BATCH as u64).await;
    let requests: Vec<AdmitRequest> =
        (0..MAX_BATCH).map(|number| admit_request(&format!("late-{number}"), 1)).collect();
    let reply = sale.admit(&requests).await;
    assert_eq!(reply.admitted, cap);
    assert_eq!(reply.admissions[MAX_BATCH - 2], queued(cap, cap));
    assert_eq!(reply.admissions[MAX_BATCH - 1], Admission::Refused(Refusal::SoldOut));
}

async fn entries_are_claimed_unchanged(context: Context) {
    let settings =
        SaleSettings { unit_limit: 1_000_000, max_attempts: 1, ..SaleSettings::of_stock(1_000_000_000) };
    let sale = context.sale("phone", settings).await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut requests = vec![
        admit_request("a", 1),
        admit_request(&"b".repeat(128), 127),
        admit_request("Ωmega buyer/1:{x}", 128),
        admit_request("buyer 3", 1_000_000),
        admit_request("1", 16_384),
        admit_request("01", 16_383),
    ];
    requests[1].entry.payload = all_bytes.repeat(16);
    requests[2].entry.trace = all_bytes[..64].to_vec();
    requests[3].entry.payload = b"\r\n\0$5\r\n".to_vec();
    sale.admit(&requests).await;
    let claim = sale.claim(10).await;
    assert_eq!(seqs(&claim), [1, 2, 3, 4, 5, 6]);
    for (request, claimed) in requests.iter().zip(&claim.entries) {
        assert_eq!((&claimed.entry, claimed.attempt), (&request.entry, 1));
    }
    assert_eq!(sale.admit_one(requests[2].clone()).await, existing(3));
    context.advance(60_000);
    sale.recover().await;
    for (request, letter) in requests.iter().zip(sale.dead_letters(0, 10).await) {
        assert_eq!(letter.claimed.entry, request.entry);
    }
}

fn hash_of(buyer: &str) -> u32 {
    buyer.parse::<BuyerId>().unwrap().hash32()
}

async fn the_hashes_of_admitted_buyers_are_listed(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(3)).await;
    let listed = async |sale: &Sale, after| sale.store.admitted_buyers(&sale.id, after).await.unwrap();
    assert_eq!(listed(&sale, 0).await, Vec::<u32>::new());
    sale.admit(&[
        admit_request("ann", 1),
        admit_request("ann", 1),
        admit_request("bob", 9),
        admit_request("cleo", 1),
    ])
    .await;
    sale.cancel(&[1]).await;
    sale.claim(1).await;
    sale.admit(&[superseding("ann", 1)]).await;
    let all = ["ann", "cleo", "ann"].map(hash_of);
    for after in 0..=3 {
        assert_eq!(listed(&sale, after).await, all[usize::try_from(after).unwrap()..]);
    }
    for after in [4, 65_536, 1 << 32] {
        assert_eq!(listed(&sale, after).await, Vec::<u32>::new());
    }
    sale.close().await;
    assert_eq!(listed(&sale, 1).await, all[1..]);
}

async fn many_hashes_are_returned_in_pages(context: Context) {
    let total = 2 * MAX_ADMITTED_BUYERS as u64 + 300;
    let sale = context.sale("phone", SaleSettings::of_stock(total)).await;
    sale.fill(total).await;
    let all: Vec<u32> = (1..=total).map(|seq| hash_of(&format!("buyer-{seq}"))).collect();
    for after in [0, 1, 65_535, 65_536, 65_537, 70_000, 131_071, 131_072, total - 1, total] {
        let listed = context.store.admitted_buyers(&sale.id, after).await.unwrap();
        let from = usize::try_from(after).unwrap();
        let to = all.len().min(from + MAX_ADMITTED_BUYERS);
        assert!(listed == all[from..to], "{} hashes after {after}", listed.len());
    }
}
