//! `admission::admit` on a store: a buyer who comes again gets the same ticket while it is live, and else a new one.

use std::{sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{
    Entry, SaleId, SaleSettings, Seq, StoreError, TicketStatus,
    admission::{AdmittedBatch, admit},
    store::{
        Admission, AdmitRequest, ClaimRequest, Gate, LeaseToken, Outcome, Precondition, Refusal, Settlement,
    },
    time::{Clock, ManualClock, Timestamp},
};
use inrush_store::memory::MemoryStore;

struct Front {
    store: Arc<MemoryStore>,
    sale: SaleId,
}

fn admit_request(buyer: &str) -> AdmitRequest {
    let entry = Entry { buyer: buyer.parse().unwrap(), units: 1, payload: Vec::new(), trace: Vec::new() };
    AdmitRequest { entry, supersedes: None, restores: None }
}

fn queued(seq: Seq, position: u64) -> Admission {
    Admission::Queued { seq, position }
}

fn existing(seq: Seq) -> Admission {
    Admission::Existing { seq }
}

fn waiting(position: u64) -> Option<TicketStatus> {
    Some(TicketStatus::Waiting { position, attempted: false })
}

fn ordered(order_id: &str) -> Outcome {
    Outcome::Ordered { order_id: order_id.to_owned() }
}

impl Front {
    async fn new(settings: SaleSettings) -> Self {
        let clock = Clock::Manual(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
        let store = MemoryStore::new(clock);
        let sale: SaleId = "phone".parse().unwrap();
        store.configure(&sale, &settings, Precondition::Absent).await.unwrap();
        Self { store, sale }
    }

    async fn admit(&self, buyers: &[&str]) -> AdmittedBatch {
        let requests: Vec<AdmitRequest> = buyers.iter().map(|buyer| admit_request(buyer)).collect();
        let admitted = admit(self.store.as_ref(), &self.sale, &requests).await.unwrap();
        assert_eq!(admitted.reply.admissions.len(), buyers.len());
        assert_eq!(admitted.statuses.len(), buyers.len());
        admitted
    }

    /// Claims the next ticket and settles it.
    async fn work_one(&self, outcome: Outcome) -> Seq {
        let claim = self.store.claim(&self.sale, ClaimRequest { max: 1 }).await.unwrap();
        let lease_token = LeaseToken { seq: claim.entries[0].seq, fence: claim.fence };
        self.store.settle(&self.sale, &[Settlement { lease_token, outcome }]).await.unwrap();
        lease_token.seq
    }

    async fn cancel(&self, seq: Seq) {
        let ticket = self.store.admit(&self.sale, &[]).await.unwrap().epochs.ticket(seq);
        self.store.cancel(&self.sale, &[ticket]).await.unwrap();
    }
}

#[tokio::test]
async fn new_buyers_are_admitted_without_a_look_up() {
    let front = Front::new(SaleSettings::of_stock(2)).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["ann", "bob", "cleo"]).await;
    assert_eq!(reply.admissions, [queued(1, 1), queued(2, 2), Admission::Refused(Refusal::SoldOut)]);
    assert_eq!(statuses, [None, None, None]);
    assert_eq!((reply.admitted, reply.gate), (2, Gate::Refusing(Refusal::SoldOut)));
}

#[tokio::test]
async fn a_repeat_gets_the_same_ticket_and_its_status() {
    let front = Front::new(SaleSettings::of_stock(9)).await;
    front.admit(&["ann", "bob"]).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["bob"]).await;
    assert_eq!((reply.admissions, statuses), (vec![existing(2)], vec![waiting(2)]));
    front.work_one(Outcome::Retry { after: Duration::ZERO, reason: "busy".to_owned() }).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["ann"]).await;
    let again = Some(TicketStatus::Waiting { position: 1, attempted: true });
    assert_eq!((reply.admissions, statuses), (vec![existing(1)], vec![again]));
}

#[tokio::test]
async fn a_buyer_who_cancelled_gets_a_new_ticket() {
    let front = Front::new(SaleSettings::of_stock(9)).await;
    front.admit(&["ann", "bob"]).await;
    front.cancel(1).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["ann"]).await;
    assert_eq!((reply.admissions, statuses), (vec![queued(3, 2)], vec![None]));
    assert_eq!(reply.admitted, 3);
    let AdmittedBatch { reply, statuses } = front.admit(&["ann"]).await;
    assert_eq!((reply.admissions, statuses), (vec![existing(3)], vec![waiting(2)]));
}

#[tokio::test]
async fn a_buyer_whose_ticket_was_rejected_or_released_gets_a_new_one() {
    let front = Front::new(SaleSettings::of_stock(9)).await;
    front.admit(&["ann", "bob"]).await;
    front.work_one(Outcome::Rejected { reason: "no".to_owned() }).await;
    assert_eq!(front.admit(&["ann"]).await.reply.admissions, [queued(3, 2)]);
    front.work_one(ordered("o-2")).await;
    let ticket = front.store.admit(&front.sale, &[]).await.unwrap().epochs.ticket(2);
    front.store.release(&front.sale, &[ticket]).await.unwrap();
    assert_eq!(front.admit(&["bob"]).await.reply.admissions, [queued(4, 2)]);
}

#[tokio::test]
async fn an_ordered_ticket_is_the_only_one_of_its_buyer_only_with_stock() {
    let phone = Front::new(SaleSettings::of_stock(9)).await;
    phone.admit(&["ann"]).await;
    phone.work_one(ordered("o-1")).await;
    let AdmittedBatch { reply, statuses } = phone.admit(&["ann"]).await;
    let ordered_before = Some(TicketStatus::Ordered { order_id: "o-1".to_owned() });
    assert_eq!((reply.admissions, statuses), (vec![existing(1)], vec![ordered_before]));

    let lunch = Front::new(SaleSettings::without_stock(9)).await;
    lunch.admit(&["ann"]).await;
    lunch.work_one(ordered("o-1")).await;
    let AdmittedBatch { reply, statuses } = lunch.admit(&["ann"]).await;
    assert_eq!((reply.admissions, statuses), (vec![queued(2, 1)], vec![None]));
}

#[tokio::test]
async fn a_mixed_batch_is_answered_in_its_order() {
    let front = Front::new(SaleSettings::of_stock(5)).await;
    front.admit(&["ann", "bob", "cleo", "dan"]).await;
    front.cancel(2).await;
    front.cancel(4).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["bob", "eve", "ann", "bob", "dan", "eve"]).await;
    // New buyers are queued before those with an ended ticket.
    let expected = [queued(6, 4), queued(5, 3), existing(1), existing(6), queued(7, 5), existing(5)];
    assert_eq!(reply.admissions, expected);
    assert_eq!(statuses, [None, None, waiting(1), waiting(4), None, waiting(3)]);
    assert_eq!((reply.admitted, reply.gate), (7, Gate::Refusing(Refusal::SoldOut)));
}

#[tokio::test]
async fn a_repeat_after_a_cancellation_can_be_refused() {
    let front = Front::new(SaleSettings::of_stock(1)).await;
    front.admit(&["ann"]).await;
    front.cancel(1).await;
    front.admit(&["bob"]).await;
    let AdmittedBatch { reply, statuses } = front.admit(&["ann", "bob"]).await;
    assert_eq!(reply.admissions, [Admission::Refused(Refusal::SoldOut), existing(2)]);
    assert_eq!(statuses, [None, waiting(1)]);
    front.store.close(&front.sale).await.unwrap();
    let AdmittedBatch { reply, .. } = front.admit(&["ann", "bob"]).await;
    assert_eq!(reply.admissions, [Admission::Refused(Refusal::Closed); 2]);
}

#[tokio::test]
async fn an_unknown_sale_is_an_error() {
    let front = Front::new(SaleSettings::of_stock(1)).await;
    let nowhere: SaleId = "nowhere".parse().unwrap();
    let reply = admit(front.store.as_ref(), &nowhere, &[admit_request("ann")]).await;
    assert_eq!(reply, Err(StoreError::SaleNotFound(nowhere)));
}
