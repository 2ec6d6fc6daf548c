//! Enqueues with a ticket that the store has lost: it is restored first; who cannot be restored is admitted as any other.

use inrush_core::{
    epochs::TicketRef,
    sale::SaleId,
    store::{Admission, AdmitReply, AdmitRequest, QueueStore as _, Refusal, StoreError},
};

use super::{
    key_hints::QueueState,
    keys::{Keys, fingerprint, segment_of},
    reply::Reply,
    script::{Call, ScriptName},
    store::RedisStore,
};

/// A request that restores a ticket.
struct Restore<'a> {
    request: &'a AdmitRequest,
    ticket: TicketRef,
}

impl RedisStore {
    /// Restores what can be restored, admits the others, and joins the results in the order of the requests.
    pub(super) async fn restore_and_admit(
        &self,
        sale: &SaleId,
        requests: &[AdmitRequest],
    ) -> Result<AdmitReply, StoreError> {
        let restores: Vec<Restore<'_>> = requests
            .iter()
            .filter_map(|request| Some(Restore { request, ticket: request.restores? }))
            .collect();
        let mut results = self.restore(sale, &restores).await?.into_iter();
        let decided: Vec<Option<Admission>> =
            requests.iter().map(|request| request.restores.and_then(|_| results.next().flatten())).collect();
        let others: Vec<AdmitRequest> = requests
            .iter()
            .zip(&decided)
            .filter(|(_, decided)| decided.is_none())
            .map(|(request, _)| AdmitRequest { restores: None, ..request.clone() })
            .collect();
        let mut reply = self.admit(sale, &others).await?;
        let mut admitted = reply.admissions.into_iter();
        reply.admissions =
            decided.into_iter().filter_map(|decided| decided.or_else(|| admitted.next())).collect();
        Ok(reply)
    }

    /// The result of each; `None` for a ticket that is not lost.
    async fn restore(
        &self,
        sale: &SaleId,
        restores: &[Restore<'_>],
    ) -> Result<Vec<Option<Admission>>, StoreError> {
        let tickets: Vec<TicketRef> = restores.iter().map(|restore| restore.ticket).collect();
        let build = |state| self.build_restore(sale, restores, state);
        let (_, mut reply) = self.run_with_hints(sale, &tickets, build).await?;
        let limit = reply.unsigned()?;
        restores.iter().map(|restore| read_result(&mut reply, restore, limit)).collect()
    }

    fn build_restore(
        &self,
        sale: &SaleId,
        restores: &[Restore<'_>],
        state: QueueState,
    ) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let page = state.admit_page();
        let mut call = self
            .call(ScriptName::Restore, 9 + 4 * restores.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.cancel_tree())
            .with(keys.restored_segments())
            .with(keys.claimed())
            .with(keys.retries())
            .with(keys.admitted(page))
            .with(keys.admitted(page + 1))
            .with(keys.adopted());
        for Restore { request, ticket } in restores {
            let segment = segment_of(ticket.seq);
            call.add(keys.buyers_of(request.entry.buyer.hash32(), state.buckets));
            call.add(keys.queue(segment));
            call.add(keys.cancelled(segment));
            call.add(keys.restored(segment));
        }
        call.add(self.now());
        call.add(sale.as_str());
        call.add(page);
        call.add(state.buckets);
        for Restore { request, ticket } in restores {
            call.add(ticket.epoch);
            call.add(ticket.seq);
            call.add(request.supersedes.unwrap_or_default());
            call.add(request.entry.units);
            call.add(fingerprint(&request.entry.buyer).as_slice());
            call.add(request.entry.buyer.hash32().to_be_bytes().as_slice());
            call.add(request.entry.encode());
        }
        Ok(call)
    }
}

fn read_result(
    reply: &mut Reply,
    restore: &Restore<'_>,
    limit: u64,
) -> Result<Option<Admission>, StoreError> {
    Ok(Some(match reply.signed()? {
        0 => Admission::Restored { seq: restore.ticket.seq },
        -1 => Admission::Bypass,
        -2 => Admission::Refused(Refusal::Closed),
        -4 => Admission::Refused(Refusal::Held),
        -5 => Admission::Refused(Refusal::UnitLimit { limit }),
        -6 => Admission::Refused(Refusal::SoldOut),
        -100 => return Ok(None),
        code => match u64::try_from(code) {
            Ok(seq) => Admission::Existing { seq },
            Err(_) => return Err(reply.unexpected(&format!("{code} is not a result of a restore"))),
        },
    }))
}
