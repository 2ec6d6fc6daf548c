//! Mistakes that are planted in the store or in the front, to show that the simulation finds them.

use std::sync::Arc;

use inrush_core::{
    Epochs, SaleId, Store, StoreError, TicketRef, TicketStatus,
    epochs::PastEpoch,
    store::{
        Admission, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, LookUpReply, SettleResult,
        Settlement,
        decorator::{Call, StoreDecorator},
    },
};
use inrush_simulation::history::Rule;
use inrush_store::fault_injection::{Fault, inject_fault};
use parking_lot::Mutex;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The history is not checked, so the epoch stays when older data comes back.
    KeepsEpoch,
    /// The first lost ticket behind a boundary is taken for the last known one.
    BoundaryTooHigh,
    /// The last known ticket before a boundary is taken for a lost one.
    BoundaryTooLow,
    /// An epoch is the one before plus one.
    EpochPlusOne,
    /// A front restores a ticket for any buyer.
    ComparesNoBuyer,
    /// A front refuses from memory for good, also after a rise.
    KeepsGate,
    /// A restored ticket is put back twice.
    RestoresTwice,
    /// Lost tickets are unknown.
    ForgetsLost,
    /// A lost ticket is never restored: its buyer gets another.
    RestoresNothing,
    /// A cancellation is acknowledged and not done.
    CancelsNothing,
    /// A settlement is acknowledged and not done.
    SettlesNothing,
    /// The store admits more than the cap.
    Overshoot,
    /// The store sells more than the stock.
    Oversell,
    /// Neighbours change places when they are claimed.
    Swap,
}

impl Planted {
    /// All mistakes, each with the rule that it breaks.
    pub(crate) const ALL: [(Self, Rule); 13] = [
        (Self::KeepsEpoch, Rule::OnePlaceOneBuyer),
        (Self::BoundaryTooHigh, Rule::OrdersArePrivate),
        (Self::BoundaryTooLow, Rule::OrdersArePrivate),
        (Self::EpochPlusOne, Rule::OnePlaceOneBuyer),
        (Self::ComparesNoBuyer, Rule::OnePlaceOneBuyer),
        (Self::KeepsGate, Rule::I16),
        (Self::RestoresTwice, Rule::I3),
        (Self::ForgetsLost, Rule::I2),
        (Self::CancelsNothing, Rule::I10),
        (Self::SettlesNothing, Rule::I11),
        (Self::Overshoot, Rule::I1),
        (Self::Oversell, Rule::I1),
        (Self::Swap, Rule::I6),
    ];

    /// The store with this mistake; the same store if the mistake is elsewhere.
    pub(crate) fn wrap(self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match self {
            Self::KeepsEpoch | Self::ComparesNoBuyer | Self::KeepsGate => store,
            Self::Overshoot => inject_fault(store, Fault::Overshoot),
            Self::Oversell => inject_fault(store, Fault::Oversell),
            Self::Swap => inject_fault(store, Fault::Swap),
            planted => Arc::new(Mistaken { store, planted, epochs: Mutex::default() }),
        }
    }
}

struct Mistaken {
    store: Arc<dyn Store>,
    planted: Planted,
    /// The epochs as they were seen last.
    epochs: Mutex<Option<Epochs>>,
}

/// The epochs with the numbers that "plus one" gives.
fn renumbered(epochs: &Epochs) -> Epochs {
    let first = epochs.firsts().next().map_or(0, |(epoch, _)| epoch);
    let past = epochs.past().iter().zip(first..).map(|(past, epoch)| PastEpoch { epoch, ..*past });
    Epochs::with_past(past.collect(), first + epochs.past().len() as u64)
}

impl Mistaken {
    fn see(&self, epochs: &Epochs) {
        *self.epochs.lock() = Some(epochs.clone());
    }

    /// What the store is asked about instead of this ticket.
    fn mistake(&self, ticket: TicketRef) -> TicketRef {
        let epochs = self.epochs.lock();
        let Some(epochs) = &*epochs else { return ticket };
        let mut past = epochs.past().iter();
        match self.planted {
            Planted::BoundaryTooHigh => {
                let behind =
                    past.any(|it| it.epoch == ticket.epoch && it.last + 1 == ticket.seq && it.last > 0);
                TicketRef { seq: ticket.seq - u64::from(behind), ..ticket }
            }
            Planted::BoundaryTooLow => {
                let last = past.any(|it| it.epoch == ticket.epoch && it.last == ticket.seq);
                TicketRef { seq: ticket.seq + u64::from(last), ..ticket }
            }
            Planted::EpochPlusOne => {
                let names = renumbered(epochs);
                let index = names.firsts().position(|(epoch, _)| epoch == ticket.epoch);
                let real = index.and_then(|index| epochs.firsts().nth(index));
                TicketRef { epoch: real.map_or(ticket.epoch, |(epoch, _)| epoch), ..ticket }
            }
            _ => ticket,
        }
    }

    fn mistakes(&self, tickets: &[TicketRef]) -> Vec<TicketRef> {
        tickets.iter().map(|&ticket| self.mistake(ticket)).collect()
    }

    fn shown(&self, epochs: Epochs) -> Epochs {
        self.see(&epochs);
        if self.planted == Planted::EpochPlusOne { renumbered(&epochs) } else { epochs }
    }
}

impl StoreDecorator for Mistaken {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn around_own_connection(&self, store: Arc<dyn Store>) -> Self {
        Self { store, planted: self.planted, epochs: Mutex::default() }
    }

    async fn around<T: Send>(
        &self,
        _: Call<T>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        run.await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        let mut requests = requests.to_vec();
        for request in &mut requests {
            request.restores = request.restores.map(|ticket| self.mistake(ticket));
            if self.planted == Planted::RestoresNothing {
                request.restores = None;
            }
        }
        let mut reply = self.store.admit(sale, &requests).await?;
        reply.epochs = self.shown(reply.epochs);
        if self.planted == Planted::RestoresTwice {
            for (request, admission) in requests.into_iter().zip(&reply.admissions) {
                if let Admission::Restored { seq } = admission {
                    let again = AdmitRequest { restores: None, supersedes: Some(*seq), ..request };
                    self.store.admit(sale, &[again]).await?;
                }
            }
        }
        Ok(reply)
    }

    async fn look_up(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<LookUpReply, StoreError> {
        let mut reply = self.store.look_up(sale, &self.mistakes(tickets)).await?;
        if self.planted == Planted::ForgetsLost {
            for status in &mut reply.statuses {
                *status = status.take().filter(|status| *status != TicketStatus::Lost);
            }
        }
        Ok(reply)
    }

    async fn cancel(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<CancelResult>, StoreError> {
        if self.planted == Planted::CancelsNothing {
            return Ok(vec![CancelResult::Cancelled; tickets.len()]);
        }
        self.store.cancel(sale, &self.mistakes(tickets)).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        let mut claim = self.store.claim(sale, request).await?;
        claim.epochs = self.shown(claim.epochs);
        Ok(claim)
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        if self.planted == Planted::SettlesNothing {
            let done = SettleResult::Done(inrush_core::TicketState::Ordered);
            return Ok(vec![done; settlements.len()]);
        }
        self.store.settle(sale, settlements).await
    }
}
