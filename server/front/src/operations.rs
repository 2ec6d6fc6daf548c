//! The runs that batchers make: taking in, looking up, cancelling, releasing.

use std::sync::Arc;

use inrush_core::{
    Durability, SaleId, Seq, Store, StoreError, TicketId, TicketStatus, admission,
    store::{Admission, AdmitReply, AdmitRequest, CancelResult, ReleaseResult},
};

use crate::{
    batcher::Operation,
    gate::{Gates, Verdict},
    metrics::SaleCounts,
    status::Failure,
};

/// Takes buyers in, and teaches the gate what a node may answer by itself.
pub(crate) struct Admit {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) counts: Arc<SaleCounts>,
}

/// What became of one wish.
pub(crate) enum Admitted {
    /// The buyer has a ticket, new or from before.
    InLine(Place),
    /// The buyer has none.
    NotIn(Verdict),
}

/// A ticket that was just given out, or that its buyer had already.
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) seq: Seq,
    pub(crate) standing: TicketStatus,
    pub(crate) repeated: bool,
    pub(crate) measured_pace: u64,
    pub(crate) durability: Durability,
}

impl Operation for Admit {
    type Request = AdmitRequest;
    type Reply = Admitted;

    /// While a buyer waited, the run before may have found that nobody can be taken in.
    fn known(&self, sale: &SaleId, AdmitRequest { entry, .. }: &AdmitRequest) -> Option<Admitted> {
        let verdict = self.gates.verdict(sale, &entry.buyer, entry.units)?;
        self.counts.refused_by_gate(sale, verdict);
        Some(Admitted::NotIn(verdict))
    }

    async fn run(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<Vec<Admitted>, StoreError> {
        let heard = self.gates.heard(sale);
        let admission::Admitted { reply, statuses } = admission::admit(&*self.store, sale, requests).await?;
        self.gates.learn(sale, heard, requests, &reply);
        self.counts.admitted(sale, requests, &reply.admissions);
        let outcomes = reply.admissions.iter().zip(statuses);
        outcomes.map(|(&admission, standing)| admitted(sale, &reply, admission, standing)).collect()
    }
}

/// `standing` is that of an existing ticket.
fn admitted(
    sale: &SaleId,
    reply: &AdmitReply,
    admission: Admission,
    standing: Option<TicketStatus>,
) -> Result<Admitted, StoreError> {
    let (seq, standing, repeated) = match admission {
        Admission::Queued { seq, position } => {
            (seq, TicketStatus::Waiting { position, attempted: false }, false)
        }
        Admission::Existing { seq } => {
            let lost =
                || StoreError::Corrupt(format!("ticket {seq} of sale {sale} is in line and stands nowhere"));
            (seq, standing.ok_or_else(lost)?, true)
        }
        Admission::Refused(refusal) => return Ok(Admitted::NotIn(Verdict::Refused(refusal))),
        Admission::Bypass => return Ok(Admitted::NotIn(Verdict::Bypass)),
    };
    let AdmitReply { epoch, measured_pace, durability, .. } = *reply;
    Ok(Admitted::InLine(Place { epoch, seq, standing, repeated, measured_pace, durability }))
}

/// Tells where tickets stand.
pub(crate) struct LookUp {
    pub(crate) store: Arc<dyn Store>,
}

/// Where one ticket stands.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) epoch: u64,
    pub(crate) measured_pace: u64,
    pub(crate) standing: Option<TicketStatus>,
}

impl Found {
    /// The standing, if it is that of `ticket`: numbers of another epoch belong to other tickets.
    pub(crate) fn of(self, ticket: &TicketId) -> Result<TicketStatus, Failure> {
        let standing = self.standing.filter(|_| self.epoch == ticket.epoch);
        standing.ok_or_else(|| Failure::TicketUnknown(ticket.sale.clone()))
    }
}

impl Operation for LookUp {
    type Request = Seq;
    type Reply = Found;

    async fn run(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<Found>, StoreError> {
        look_up(&*self.store, sale, seqs).await
    }
}

/// Gives waiting tickets up.
pub(crate) struct Cancel {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
}

/// Gives orders' units back.
pub(crate) struct GiveBack {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
}

/// A ticket as its holder names it.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub(crate) epoch: u64,
    pub(crate) seq: Seq,
}

impl From<&TicketId> for Named {
    fn from(ticket: &TicketId) -> Self {
        Self { epoch: ticket.epoch, seq: ticket.seq }
    }
}

/// What became of one ticket, and where it stands since. No outcome: the ticket is of another epoch.
pub(crate) struct Changed<T> {
    pub(crate) outcome: Option<T>,
    pub(crate) found: Found,
}

impl Operation for Cancel {
    type Request = Named;
    type Reply = Changed<CancelResult>;

    async fn run(&self, sale: &SaleId, tickets: &[Named]) -> Result<Vec<Self::Reply>, StoreError> {
        let ours = Ours::among(tickets, &*self.store, sale).await?;
        let outcomes =
            if ours.seqs.is_empty() { Vec::new() } else { self.store.cancel(sale, &ours.seqs).await? };
        if outcomes.contains(&CancelResult::Cancelled) {
            self.gates.forget(sale);
        }
        ours.changed(outcomes, tickets, &*self.store, sale).await
    }
}

impl Operation for GiveBack {
    type Request = Named;
    type Reply = Changed<ReleaseResult>;

    async fn run(&self, sale: &SaleId, tickets: &[Named]) -> Result<Vec<Self::Reply>, StoreError> {
        let ours = Ours::among(tickets, &*self.store, sale).await?;
        let outcomes =
            if ours.seqs.is_empty() { Vec::new() } else { self.store.release(sale, &ours.seqs).await? };
        if outcomes.contains(&ReleaseResult::Released) {
            self.gates.forget(sale);
        }
        ours.changed(outcomes, tickets, &*self.store, sale).await
    }
}

/// Those of a batch that belong to the sale's present epoch: the same number of another epoch was another ticket.
struct Ours {
    epoch: u64,
    seqs: Vec<Seq>,
}

impl Ours {
    async fn among(tickets: &[Named], store: &dyn Store, sale: &SaleId) -> Result<Self, StoreError> {
        // The epoch is all that is wanted, and any number brings it.
        let epoch = store.look_up(sale, &[1]).await?.epoch;
        let seqs = tickets.iter().filter(|ticket| ticket.epoch == epoch).map(|ticket| ticket.seq).collect();
        Ok(Self { epoch, seqs })
    }

    /// Pairs every ticket of the batch with its outcome, if it had one, and with where it stands now.
    async fn changed<T>(
        self,
        outcomes: Vec<T>,
        tickets: &[Named],
        store: &dyn Store,
        sale: &SaleId,
    ) -> Result<Vec<Changed<T>>, StoreError> {
        let seqs: Vec<Seq> = tickets.iter().map(|ticket| ticket.seq).collect();
        let found = look_up(store, sale, &seqs).await?;
        let mut outcomes = outcomes.into_iter();
        let mut outcome_of = |ticket: &Named| if ticket.epoch == self.epoch { outcomes.next() } else { None };
        Ok(tickets
            .iter()
            .zip(found)
            .map(|(ticket, found)| Changed { outcome: outcome_of(ticket), found })
            .collect())
    }
}

async fn look_up(store: &dyn Store, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<Found>, StoreError> {
    let reply = store.look_up(sale, seqs).await?;
    let found = |standing| Found { epoch: reply.epoch, measured_pace: reply.measured_pace, standing };
    Ok(reply.statuses.into_iter().map(found).collect())
}
