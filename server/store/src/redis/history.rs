//! What happens when the history of the store has changed: the sale's epoch rises.

use inrush_core::{
    epochs::{Epochs, PastEpoch, TicketRef},
    sale::SaleId,
    store::StoreError,
    ticket::Seq,
    time::millis,
};

use super::{
    key_hints::QueueState,
    keys::Keys,
    reply::{Code, Reply},
    script::ScriptName,
    store::RedisStore,
};

/// Bytes of a past epoch: three numbers; `lua/include/epochs.lua` has the same.
const PAST_EPOCH_BYTES: usize = 24;

impl RedisStore {
    /// Raises the epoch of a sale whose history has changed, unless another caller has done so. `seen` is the latest
    /// ticket of the sale that this process knows: if the store does not know it, tickets are lost.
    pub(super) async fn renew(&self, sale: &SaleId, seen: TicketRef) -> Result<(), StoreError> {
        let mut call = self
            .call(ScriptName::Renew, 2)?
            .with(Keys(sale).sale())
            .with(Keys(sale).marker())
            .with(self.now())
            .with(sale.as_str())
            .with(seen.epoch)
            .with(seen.seq)
            .with(millis(self.shared.settings.restore_window));
        let known = self.shared.hints.epochs(sale);
        for (epoch, first) in known.iter().flat_map(Epochs::firsts) {
            call.add(epoch);
            call.add(first);
        }
        let mut reply = self.run(&call).await?;
        match reply.code()? {
            Code::Done => {}
            Code::NoSale => return Err(StoreError::SaleNotFound(sale.clone())),
            Code::WrongKeys | Code::HistoryChanged => return Err(reply.unexpected("it is no reply to renew")),
        }
        let state = QueueState::read(&mut reply)?;
        self.shared.hints.update(sale, state);
        self.read_epochs(sale, &mut reply, state)?;
        if reply.flag()? {
            let boundary = TicketRef { epoch: reply.unsigned()?, seq: reply.unsigned()? };
            log_rise(sale, boundary, state.epoch, reply.flag()?.then_some(seen));
        }
        Ok(())
    }

    /// Reads the epochs of a sale in a reply with `state`, and keeps them if it had more than one.
    pub(super) fn read_epochs(
        &self,
        sale: &SaleId,
        reply: &mut Reply,
        state: QueueState,
    ) -> Result<Epochs, StoreError> {
        let epochs = read_epochs(reply, state.epoch)?;
        if epochs.has_risen() {
            self.shared.hints.set_epochs(sale, &epochs);
        }
        Ok(epochs)
    }
}

/// `lost` is the latest ticket that is known to be lost, if one is.
fn log_rise(sale: &SaleId, boundary: TicketRef, epoch: u64, lost: Option<TicketRef>) {
    let TicketRef { epoch: ended, seq: last } = boundary;
    match lost {
        None => tracing::info!(
            %sale, ended, last, epoch,
            "the history of the store has changed (a restart, or a failover): the epoch rises; no ticket is known to be lost",
        ),
        Some(seen) => tracing::error!(
            %sale, ended, last, epoch, seen_epoch = seen.epoch, seen_seq = seen.seq,
            "the store has lost tickets: of the epoch that ended it knows none after `last`. Their holders can restore \
             them with Enqueue and previous_ticket",
        ),
    }
}

/// Reads the epochs of a sale whose present one is `present`.
pub(super) fn read_epochs(reply: &mut Reply, present: u64) -> Result<Epochs, StoreError> {
    let bytes = reply.bytes()?;
    let (past, rest) = bytes.as_chunks::<PAST_EPOCH_BYTES>();
    if !rest.is_empty() {
        return Err(reply.unexpected("the past epochs of the sale cannot be read"));
    }
    Ok(Epochs::with_past(past.iter().map(read_past_epoch).collect(), present))
}

fn read_past_epoch(bytes: &[u8; PAST_EPOCH_BYTES]) -> PastEpoch {
    let (numbers, _) = bytes.as_chunks::<8>();
    let number = |index: usize| numbers.get(index).copied().map_or(0, read_number);
    PastEpoch { epoch: number(0), last: number(1), next_first: number(2) }
}

/// Scripts store integers below 2⁵³ as doubles.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the scripts store whole numbers from 0"
)]
fn read_number(bytes: [u8; 8]) -> Seq {
    f64::from_le_bytes(bytes) as u64
}
