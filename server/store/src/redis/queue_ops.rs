//! The fronts' operations: buyers into the queue, their status, and out of it.

use async_trait::async_trait;
use inrush_core::{
    epochs::{Epochs, TicketRef},
    sale::SaleId,
    store::{
        Admission, AdmitReply, AdmitRequest, CancelResult, Durability, Gate, LookUpReply,
        MAX_ADMITTED_BUYERS, QueueStore, Refusal, ReleaseResult, StoreError, check_batch_size,
    },
    ticket::{MAX_SEQ, TicketStatus},
    time::Timestamp,
};
use redis::cmd;

use super::{
    key_hints::QueueState,
    keys::{BUYERS_PER_PAGE, Keys, fingerprint, segment_of},
    reply::Reply,
    script::{Call, ScriptName},
    snapshot::read_durability,
    store::RedisStore,
};

#[async_trait]
impl QueueStore for RedisStore {
    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        check_batch_size(requests.len())?;
        if requests.iter().any(|request| request.restores.is_some()) {
            return self.restore_and_admit(sale, requests).await;
        }
        let waits = self.shared.hints.is_replicated(sale);
        let build = |state| Ok(self.build_admit(sale, requests, state)?.replicated(waits));
        let (state, mut reply) = self.run_with_hints(sale, &[], build).await?;
        let epochs = self.read_epochs(sale, &mut reply, state)?;
        let mut admitted = read_admit(&mut reply, state, epochs, requests.len())?;
        let configured = admitted.durability;
        if waits != (configured == Durability::Replicated) {
            self.shared.hints.set_replicated(sale, !waits);
        }
        admitted.durability = match configured {
            Durability::Memory => Durability::Memory,
            Durability::Fsync => self.shared.durability.get(&self.pool).await?,
            Durability::Replicated if waits => replicated_or_not(&reply),
            Durability::Replicated => self.await_replica(sale).await?,
        };
        Ok(admitted)
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: u64) -> Result<Vec<u32>, StoreError> {
        let exists = cmd("EXISTS").arg(Keys(sale).sale()).take();
        if self.query::<u64>(&exists).await? == 0 {
            return Err(StoreError::SaleNotFound(sale.clone()));
        }
        let mut hashes = Vec::new();
        let mut next = after.min(MAX_SEQ);
        loop {
            let offset = next % BUYERS_PER_PAGE;
            let wanted = (BUYERS_PER_PAGE - offset).min((MAX_ADMITTED_BUYERS - hashes.len()) as u64);
            let page = Keys(sale).admitted(next / BUYERS_PER_PAGE);
            let bytes: Vec<u8> =
                self.query(cmd("GETRANGE").arg(page).arg(4 * offset).arg(4 * (offset + wanted) - 1)).await?;
            let (words, _) = bytes.as_chunks::<4>();
            hashes.extend(words.iter().copied().map(u32::from_be_bytes));
            next += wanted;
            // A page that is not full is the last one.
            if (words.len() as u64) < wanted || hashes.len() >= MAX_ADMITTED_BUYERS {
                break;
            }
        }
        Ok(hashes)
    }

    async fn look_up(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<LookUpReply, StoreError> {
        check_batch_size(tickets.len())?;
        let build = |state| self.build_look_up(sale, tickets, state);
        let (state, mut reply) = self.run_with_hints(sale, tickets, build).await?;
        self.read_epochs(sale, &mut reply, state)?;
        Ok(LookUpReply {
            measured_pace: reply.unsigned()?,
            statuses: tickets.iter().map(|_| read_status(&mut reply)).collect::<Result<_, _>>()?,
        })
    }

    async fn cancel(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<CancelResult>, StoreError> {
        check_batch_size(tickets.len())?;
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Cancel, 3 + 3 * tickets.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.cancel_tree());
        for ticket in tickets {
            let segment = segment_of(ticket.seq);
            call.add(keys.cancelled(segment));
            call.add(keys.restored(segment));
            call.add(keys.queue(segment));
        }
        call.add(sale.as_str());
        add_tickets(&mut call, tickets);
        let mut reply = self.run_on_tickets(sale, tickets, call).await?;
        tickets.iter().map(|_| read_cancel_result(&mut reply)).collect()
    }

    async fn release(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<ReleaseResult>, StoreError> {
        check_batch_size(tickets.len())?;
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Release, 4 + 3 * tickets.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.adopted());
        for ticket in tickets {
            let segment = segment_of(ticket.seq);
            call.add(keys.cancelled(segment));
            call.add(keys.restored(segment));
            call.add(keys.outcomes_of(ticket.seq));
        }
        call.add(sale.as_str());
        add_tickets(&mut call, tickets);
        let mut reply = self.run_on_sale(sale, call).await?;
        tickets.iter().map(|_| read_release_result(&mut reply)).collect()
    }
}

impl RedisStore {
    /// The durability of batches that did not wait for a replica: an empty batch behind them changes nothing but is
    /// written, so a replica that acknowledges it has them too.
    async fn await_replica(&self, sale: &SaleId) -> Result<Durability, StoreError> {
        let build = |state| Ok(self.build_admit(sale, &[], state)?.replicated(true));
        let (_, reply) = self.run_with_hints(sale, &[], build).await?;
        Ok(replicated_or_not(&reply))
    }

    fn build_admit(
        &self,
        sale: &SaleId,
        requests: &[AdmitRequest],
        state: QueueState,
    ) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let (segment, page) = (state.admit_segment(), state.admit_page());
        let hashes: Vec<u32> = requests.iter().map(|request| request.entry.buyer.hash32()).collect();
        let mut call = self.call(ScriptName::Admit, 6 + requests.len())?;
        call.add(keys.sale());
        call.add(keys.marker());
        call.add(keys.queue(segment));
        call.add(keys.queue(segment + 1));
        call.add(keys.admitted(page));
        call.add(keys.admitted(page + 1));
        for &hash in &hashes {
            call.add(keys.buyers_of(hash, state.buckets));
        }
        call.add(self.now());
        call.add(sale.as_str());
        call.add(segment);
        call.add(page);
        call.add(state.buckets);
        call.add(state.epoch);
        call.add(state.last_seq);
        let log: Vec<u8> = hashes.into_iter().flat_map(u32::to_be_bytes).collect();
        call.add(log);
        call.add(superseded(requests));
        call.add(units(requests));
        for AdmitRequest { entry, .. } in requests {
            call.add(fingerprint(&entry.buyer).as_slice());
        }
        for AdmitRequest { entry, .. } in requests {
            call.add(entry.encode());
        }
        Ok(call)
    }

    fn build_look_up(
        &self,
        sale: &SaleId,
        tickets: &[TicketRef],
        state: QueueState,
    ) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let bitmaps = if state.holes > 0 { tickets } else { &[] };
        let of_other_epochs = || tickets.iter().filter(|ticket| ticket.epoch != state.epoch);
        // After a rise also a ticket in the queue may have an outcome: the order system's.
        let may_have_outcome = if state.rises() > 0 { MAX_SEQ } else { state.cursor };
        let passed = || tickets.iter().filter(|ticket| ticket.seq <= may_have_outcome);
        let count = 6 + bitmaps.len() + of_other_epochs().count() + passed().count();
        let mut call = self.call(ScriptName::LookUp, count)?;
        call.add(keys.sale());
        call.add(keys.marker());
        call.add(keys.claimed());
        call.add(keys.cancel_tree());
        call.add(keys.reasons());
        call.add(keys.adopted());
        for ticket in bitmaps {
            call.add(keys.cancelled(segment_of(ticket.seq)));
        }
        for ticket in of_other_epochs() {
            call.add(keys.restored(segment_of(ticket.seq)));
        }
        for ticket in passed() {
            call.add(keys.outcomes_of(ticket.seq));
        }
        call.add(u8::from(state.holes > 0));
        call.add(may_have_outcome);
        call.add(state.epoch);
        call.add(state.last_seq);
        add_tickets(&mut call, tickets);
        Ok(call)
    }
}

fn add_tickets(call: &mut Call<'_>, tickets: &[TicketRef]) {
    for TicketRef { epoch, seq } in tickets {
        call.add(epoch);
        call.add(seq);
    }
}

/// The tickets that requests supersede, as pairs of the request's index, counted from 1, and the seq.
fn superseded(requests: &[AdmitRequest]) -> String {
    let pairs = (1_usize..)
        .zip(requests)
        .filter_map(|(index, request)| Some(format!("{index} {}", request.supersedes?)));
    pairs.collect::<Vec<_>>().join(" ")
}

/// The units of each request; empty when each is for one.
fn units(requests: &[AdmitRequest]) -> String {
    if requests.iter().all(|request| request.entry.units == 1) {
        return String::new();
    }
    let units = requests.iter().map(|request| request.entry.units.to_string());
    units.collect::<Vec<_>>().join(" ")
}

const fn replicated_or_not(reply: &Reply) -> Durability {
    if reply.is_replicated() { Durability::Replicated } else { Durability::Memory }
}

fn read_admit(
    reply: &mut Reply,
    state: QueueState,
    epochs: Epochs,
    requests: usize,
) -> Result<AdmitReply, StoreError> {
    let measured_pace = reply.unsigned()?;
    let durability = read_durability(reply)?;
    let has_stock = reply.flag()?;
    let gate = reply.signed()?;
    let opens_at = Timestamp(reply.unsigned()?);
    let until = Timestamp(reply.unsigned()?);
    let limit = reply.unsigned()?;
    let refusals = [
        Refusal::Closed,
        Refusal::NotOpen { opens_at },
        Refusal::Held,
        Refusal::UnitLimit { limit },
        Refusal::SoldOut,
        Refusal::Restoring { until },
    ];
    let mut position = reply.unsigned()?;

    let codes: Vec<i64> = if reply.is_at_end() {
        vec![0; requests]
    } else {
        (0..requests).map(|_| reply.signed()).collect::<Result<_, _>>()?
    };
    let queued = codes.iter().filter(|&&code| code == 0).count() as u64;
    let mut seq = state.last_seq.saturating_sub(queued);
    let mut read_admission = |code: i64| match code {
        0 => {
            seq += 1;
            position += 1;
            Ok(Admission::Queued { seq, position: position - 1 })
        }
        -1 => Ok(Admission::Bypass),
        code => match u64::try_from(code) {
            Ok(seq) => Ok(Admission::Existing { seq }),
            Err(_) => read_refusal(reply, code, &refusals).map(Admission::Refused),
        },
    };
    let admissions = codes.into_iter().map(&mut read_admission).collect::<Result<_, _>>()?;
    let gate = match read_admission_gate(gate) {
        Some(gate) => gate,
        None => Gate::Refusing(read_refusal(reply, gate, &refusals)?),
    };
    let admitted = state.admitted;
    Ok(AdmitReply { epochs, admitted, measured_pace, durability, has_stock, gate, admissions })
}

const fn read_admission_gate(code: i64) -> Option<Gate> {
    match code {
        0 => Some(Gate::Open),
        -1 => Some(Gate::Bypass),
        _ => None,
    }
}

/// `refusals` are in the order of their codes, from -2 down.
fn read_refusal(reply: &Reply, code: i64, refusals: &[Refusal; 6]) -> Result<Refusal, StoreError> {
    let index = usize::try_from(-2 - code).ok();
    let refusal = index.and_then(|index| refusals.get(index)).copied();
    refusal.ok_or_else(|| reply.unexpected(&format!("{code} is not a refusal")))
}

fn read_status(reply: &mut Reply) -> Result<Option<TicketStatus>, StoreError> {
    Ok(Some(match reply.signed()? {
        0 => return Ok(None),
        1 => TicketStatus::Waiting { position: reply.unsigned()?, attempted: reply.flag()? },
        2 => TicketStatus::Processing,
        3 => TicketStatus::Ordered { order_id: reply.text()? },
        4 => TicketStatus::Released { order_id: reply.text()? },
        5 => TicketStatus::Cancelled,
        6 => TicketStatus::Rejected { reason: reply.text()? },
        7 => TicketStatus::Expired,
        8 => TicketStatus::Dead { reason: reply.text()? },
        9 => TicketStatus::Lost,
        code => return Err(reply.unexpected(&format!("{code} is not a status"))),
    }))
}

fn read_cancel_result(reply: &mut Reply) -> Result<CancelResult, StoreError> {
    match reply.signed()? {
        0 => Ok(CancelResult::Unknown),
        1 => Ok(CancelResult::Cancelled),
        2 => Ok(CancelResult::AlreadyCancelled),
        3 => Ok(CancelResult::TooLate),
        4 => Ok(CancelResult::Lost),
        code => Err(reply.unexpected(&format!("{code} is not a result of a cancellation"))),
    }
}

fn read_release_result(reply: &mut Reply) -> Result<ReleaseResult, StoreError> {
    match reply.signed()? {
        0 => Ok(ReleaseResult::Unknown),
        -1 => Ok(ReleaseResult::Released),
        -2 => Ok(ReleaseResult::AlreadyReleased),
        code => reply.state(code).map(ReleaseResult::NotOrdered),
    }
}
