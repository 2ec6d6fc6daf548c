//! A sale of a case: every operation in short form, with a check of the ledger after each.

use std::{sync::Arc, time::Duration};

use inrush_core::{
    entry::Entry,
    epochs::TicketRef,
    sale::{SaleId, SaleSettings, SaleSnapshot, SaleState},
    store::{
        Admission, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Finding, KnownOrder, LeaseToken, MAX_BATCH, Outcome, Precondition, Recovery,
        ReleaseResult, SettleResult, Settlement, Store,
    },
    ticket::{Seq, TicketState, TicketStatus},
};

pub(crate) struct Sale {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) id: SaleId,
}

/// A request for `units`.
pub fn admit_request(buyer: &str, units: u64) -> AdmitRequest {
    let entry = Entry { buyer: buyer.parse().unwrap(), units, payload: Vec::new(), trace: Vec::new() };
    AdmitRequest { entry, supersedes: None, restores: None }
}

pub(crate) fn ordered(order_id: &str) -> Outcome {
    Outcome::Ordered { order_id: order_id.to_owned() }
}

pub(crate) fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected { reason: reason.to_owned() }
}

pub(crate) fn retry(after_millis: u64, reason: &str) -> Outcome {
    Outcome::Retry { after: Duration::from_millis(after_millis), reason: reason.to_owned() }
}

/// The seqs of what was claimed.
pub(crate) fn seqs(claim: &Claim) -> Vec<Seq> {
    claim.entries.iter().map(|entry| entry.seq).collect()
}

impl Sale {
    pub(crate) async fn snapshot(&self) -> SaleSnapshot {
        self.store.sale(&self.id).await.unwrap()
    }

    pub(crate) async fn state(&self) -> SaleState {
        self.snapshot().await.state()
    }

    /// Invariants I1 and I13.
    async fn check(&self) {
        let sale = self.snapshot().await;
        sale.check_ledger().unwrap();
        assert!(sale.cursor <= sale.last_seq);
    }

    pub(crate) async fn configure(
        &self,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> ConfigureResult {
        let reply = self.store.configure(&self.id, settings, precondition).await.unwrap();
        self.check().await;
        reply
    }

    /// Changes the settings the sale has now, whatever its version.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut SaleSettings)) -> ConfigureResult {
        let SaleSnapshot { mut settings, version, .. } = self.snapshot().await;
        change(&mut settings);
        self.configure(&settings, Precondition::Version(version)).await
    }

    pub(crate) async fn admit(&self, requests: &[AdmitRequest]) -> AdmitReply {
        let reply = self.store.admit(&self.id, requests).await.unwrap();
        assert_eq!(reply.admissions.len(), requests.len());
        self.check().await;
        reply
    }

    pub(crate) async fn admit_one(&self, request: AdmitRequest) -> Admission {
        self.admit(&[request]).await.admissions[0]
    }

    /// Admits a buyer of one unit, who must be queued.
    pub(crate) async fn enqueue(&self, buyer: &str) -> Seq {
        self.enqueue_units(buyer, 1).await
    }

    pub(crate) async fn enqueue_units(&self, buyer: &str, units: u64) -> Seq {
        match self.admit_one(admit_request(buyer, units)).await {
            Admission::Queued { seq, .. } => seq,
            other => panic!("{buyer} should be queued: {other:?}"),
        }
    }

    /// Admits `count` new buyers of one unit each, named after their seqs.
    pub(crate) async fn fill(&self, count: u64) {
        let first = self.snapshot().await.last_seq + 1;
        let requests: Vec<AdmitRequest> =
            (first..first + count).map(|seq| admit_request(&format!("buyer-{seq}"), 1)).collect();
        for (batch, requests) in requests.chunks(MAX_BATCH).enumerate() {
            let reply = self.admit(requests).await;
            let begin = first + (batch * MAX_BATCH) as u64;
            for (seq, admission) in (begin..).zip(&reply.admissions) {
                assert!(
                    matches!(admission, Admission::Queued { seq: given, .. } if *given == seq),
                    "{admission:?}"
                );
            }
        }
    }

    /// The tickets with these seqs; one that was never given is of an epoch that never was.
    pub(crate) async fn tickets(&self, seqs: &[Seq]) -> Vec<TicketRef> {
        let last_seq = self.snapshot().await.last_seq;
        let epochs = self.store.admit(&self.id, &[]).await.unwrap().epochs;
        let ticket = |&seq| if seq <= last_seq { epochs.ticket(seq) } else { TicketRef { epoch: 1, seq } };
        seqs.iter().map(ticket).collect()
    }

    pub(crate) async fn look_up(&self, seqs: &[Seq]) -> Vec<Option<TicketStatus>> {
        let tickets = self.tickets(seqs).await;
        let reply = self.store.look_up(&self.id, &tickets).await.unwrap();
        assert_eq!(reply.statuses.len(), seqs.len());
        reply.statuses
    }

    pub(crate) async fn status(&self, seq: Seq) -> TicketStatus {
        self.look_up(&[seq]).await.remove(0).unwrap()
    }

    pub(crate) async fn ticket_state(&self, seq: Seq) -> TicketState {
        self.status(seq).await.state()
    }

    /// The position of a ticket that waits for its first claim.
    pub(crate) async fn position(&self, seq: Seq) -> u64 {
        match self.status(seq).await {
            TicketStatus::Waiting { position, attempted: false } => position,
            other => panic!("ticket {seq} should be in line: {other:?}"),
        }
    }

    pub(crate) async fn cancel(&self, seqs: &[Seq]) -> Vec<CancelResult> {
        let mut replies = Vec::new();
        for batch in self.tickets(seqs).await.chunks(MAX_BATCH) {
            replies.extend(self.store.cancel(&self.id, batch).await.unwrap());
            self.check().await;
        }
        assert_eq!(replies.len(), seqs.len());
        replies
    }

    pub(crate) async fn claim(&self, max: usize) -> Claim {
        let claim = self.store.claim(&self.id, ClaimRequest { max }).await.unwrap();
        assert_eq!(claim.fence == 0, claim.entries.is_empty());
        assert!(claim.entries.len() <= max);
        self.check().await;
        claim
    }

    /// Claims one ticket, which must be there, and returns its lease.
    pub(crate) async fn claim_one(&self) -> LeaseToken {
        let claim = self.claim(1).await;
        LeaseToken { seq: seqs(&claim)[0], fence: claim.fence }
    }

    pub(crate) async fn extend(&self, leases: &[LeaseToken]) -> Vec<bool> {
        let reply = self.store.extend(&self.id, leases).await.unwrap();
        assert_eq!(reply.len(), leases.len());
        self.check().await;
        reply
    }

    pub(crate) async fn settle_all(&self, settlements: &[Settlement]) -> Vec<SettleResult> {
        let reply = self.store.settle(&self.id, settlements).await.unwrap();
        assert_eq!(reply.len(), settlements.len());
        self.check().await;
        reply
    }

    pub(crate) async fn settle(&self, lease_token: LeaseToken, outcome: Outcome) -> SettleResult {
        self.settle_all(&[Settlement { lease_token, outcome }]).await.remove(0)
    }

    /// Claims one ticket and settles it.
    pub(crate) async fn work_one(&self, outcome: Outcome) -> Seq {
        let lease_token = self.claim_one().await;
        assert!(matches!(self.settle(lease_token, outcome).await, SettleResult::Done(_)));
        lease_token.seq
    }

    pub(crate) async fn recover(&self) -> Recovery {
        let recovery = self.store.recover(&self.id).await.unwrap();
        self.check().await;
        recovery
    }

    pub(crate) async fn release(&self, seqs: &[Seq]) -> Vec<ReleaseResult> {
        let reply = self.store.release(&self.id, &self.tickets(seqs).await).await.unwrap();
        assert_eq!(reply.len(), seqs.len());
        self.check().await;
        reply
    }

    /// Compares an order of one unit with its ticket, and repairs the queue.
    pub(crate) async fn reconcile_one(&self, order: KnownOrder) -> Finding {
        self.reconcile(&[order], true).await.remove(0)
    }

    pub(crate) async fn reconcile(&self, orders: &[KnownOrder], repair: bool) -> Vec<Finding> {
        let reply = self.store.reconcile(&self.id, orders, repair).await.unwrap();
        assert_eq!(reply.len(), orders.len());
        self.check().await;
        reply
    }

    pub(crate) async fn dead_letters(&self, after: Seq, limit: usize) -> Vec<DeadLetter> {
        self.store.dead_letters(&self.id, after, limit).await.unwrap()
    }

    pub(crate) async fn redrive(&self, seqs: &[Seq]) -> Vec<bool> {
        let reply = self.store.redrive(&self.id, seqs).await.unwrap();
        self.check().await;
        reply
    }

    pub(crate) async fn discard(&self, seqs: &[Seq]) -> Vec<bool> {
        let reply = self.store.discard(&self.id, seqs).await.unwrap();
        self.check().await;
        reply
    }

    pub(crate) async fn close(&self) -> SaleSnapshot {
        let sale = self.store.close(&self.id).await.unwrap();
        self.check().await;
        sale
    }

    pub(crate) async fn delete(&self) -> DeleteResult {
        self.store.delete(&self.id).await.unwrap()
    }
}
