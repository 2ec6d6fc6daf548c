//! Admits a batch of buyers, on any store: a buyer whose ticket is no longer live gets a new one.

use crate::{
    epochs::TicketRef,
    sale::SaleId,
    store::{Admission, AdmitReply, AdmitRequest, QueueStore, StoreError},
    ticket::{Seq, TicketState, TicketStatus},
};

/// The result of a batch of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedBatch {
    /// The store's reply; its admissions are final.
    pub reply: AdmitReply,
    /// For each request with an existing or restored ticket, the status of that ticket.
    pub statuses: Vec<Option<TicketStatus>>,
}

/// Admits a batch. A buyer whose earlier ticket is no longer live (cancelled, rejected, released …) is admitted anew. Only
/// then, and for repeated requests, is there more than one round trip.
///
/// # Errors
/// Those of the store. The batch may be repeated.
pub async fn admit(
    store: &dyn QueueStore,
    sale: &SaleId,
    requests: &[AdmitRequest],
) -> Result<AdmittedBatch, StoreError> {
    let mut first = admit_once(store, sale, requests).await?;
    let ended = ended_tickets(&first, requests);
    if ended.is_empty() {
        return Ok(first);
    }
    let again: Vec<AdmitRequest> = ended
        .iter()
        .filter_map(|&(index, seq)| {
            let request = requests.get(index)?;
            Some(AdmitRequest { supersedes: Some(seq), ..request.clone() })
        })
        .collect();
    let second = admit_once(store, sale, &again).await?;
    let outcomes = second.reply.admissions.iter().zip(second.statuses);
    for ((index, _), (admission, status)) in ended.into_iter().zip(outcomes) {
        if let Some(slot) = first.reply.admissions.get_mut(index) {
            *slot = *admission;
        }
        if let Some(slot) = first.statuses.get_mut(index) {
            *slot = status;
        }
    }
    Ok(AdmittedBatch {
        reply: AdmitReply { admissions: first.reply.admissions, ..second.reply },
        statuses: first.statuses,
    })
}

async fn admit_once(
    store: &dyn QueueStore,
    sale: &SaleId,
    requests: &[AdmitRequest],
) -> Result<AdmittedBatch, StoreError> {
    let reply = store.admit(sale, requests).await?;
    let existing = reply.admissions.iter().copied().filter_map(existing_seq);
    let tickets: Vec<TicketRef> = existing.map(|seq| reply.epochs.ticket(seq)).collect();
    let mut found =
        if tickets.is_empty() { Vec::new() } else { store.look_up(sale, &tickets).await?.statuses }
            .into_iter();
    let statuses = reply
        .admissions
        .iter()
        .map(|&admission| existing_seq(admission).and_then(|_| found.next().flatten()))
        .collect();
    Ok(AdmittedBatch { reply, statuses })
}

/// Index and seq of the existing tickets that are no longer live. Not among them: one that its buyer wants restored, and
/// that has an order.
fn ended_tickets(admitted: &AdmittedBatch, requests: &[AdmitRequest]) -> Vec<(usize, Seq)> {
    let has_stock = admitted.reply.has_stock;
    let pairs = admitted.reply.admissions.iter().copied().zip(&admitted.statuses);
    pairs
        .zip(requests)
        .enumerate()
        .filter_map(|(index, ((admission, status), request))| {
            let seq = existing_seq(admission)?;
            let state = status.as_ref()?.state();
            let is_restored = request.restores.is_some_and(|ticket| ticket.seq == seq);
            let is_kept = state.is_live(has_stock) || (is_restored && state == TicketState::Ordered);
            (!is_kept).then_some((index, seq))
        })
        .collect()
}

const fn existing_seq(admission: Admission) -> Option<Seq> {
    match admission {
        Admission::Existing { seq } | Admission::Restored { seq } => Some(seq),
        Admission::Queued { .. } | Admission::Refused(_) | Admission::Bypass => None,
    }
}
