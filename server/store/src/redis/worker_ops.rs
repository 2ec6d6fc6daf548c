//! Fulfilment's operations: entries out of the queue under a lease, and the outcome of each attempt.

use std::time::Duration;

use async_trait::async_trait;
use inrush_core::{
    entry::{ClaimedEntry, Entry},
    sale::SaleId,
    store::{
        Backlog, Claim, ClaimRequest, Finding, KnownOrder, LeaseToken, MAX_BATCH, MAX_TEXT, Outcome,
        Recovery, SettleResult, Settlement, StoreError, WorkStore, check_batch_size,
    },
    ticket::Seq,
    time::{Timestamp, millis},
};
use redis::cmd;

use super::{
    key_hints::QueueState,
    keys::{Keys, OUTCOMES_PER_BUCKET, REGISTRY, outcomes_bucket_of},
    reply::Reply,
    script::{Call, ScriptName},
    store::RedisStore,
};

/// Upper bound on the delay of a retry, in milliseconds: a thousand years, which keeps sums exact in the scripts.
const MAX_RETRY_DELAY_MS: u64 = 32_000_000_000_000;

#[async_trait]
impl WorkStore for RedisStore {
    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let command = cmd("ZRANGE")
            .arg(REGISTRY)
            .arg(start)
            .arg("+")
            .arg("BYLEX")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .take();
        let ids: Vec<String> = self.query_pooled(&command).await?;
        ids.into_iter()
            .map(|id| {
                id.parse().map_err(|_| StoreError::Corrupt(format!("{id:?} in {REGISTRY} is not a sale id")))
            })
            .collect()
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        check_batch_size(request.max)?;
        let build = |state| self.build_claim(sale, request, state);
        let (state, mut reply) = self.run_with_hints(sale, &[], build).await?;
        let epochs = self.read_epochs(sale, &mut reply, state)?;
        let created_at = Timestamp(reply.unsigned()?);
        let fence = reply.unsigned()?;
        let lease = Duration::from_millis(reply.unsigned()?);
        let retries: usize = reply.small()?;
        let mut entries: Vec<ClaimedEntry> =
            (0..retries).map(|_| read_claimed(&mut reply)).collect::<Result<_, _>>()?;
        for _ in 0..reply.small::<usize>()? {
            entries.push(read_first_claimed(&mut reply)?);
        }
        Ok(Claim { epochs, created_at, fence, lease, entries, backlog: read_backlog(&mut reply)? })
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(leases.len())?;
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Extend, 5)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.leases())
            .with(keys.claims())
            .with(self.now());
        for LeaseToken { seq, fence } in leases {
            call.add(seq);
            call.add(fence);
        }
        let mut reply = self.run_on_sale(sale, call).await?;
        leases.iter().map(|_| reply.flag()).collect()
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        check_batch_size(settlements.len())?;
        let keys = Keys(sale);
        let mut seqs: Vec<Seq> = settlements.iter().map(|settlement| settlement.lease_token.seq).collect();
        seqs.dedup_by_key(|seq| outcomes_bucket_of(*seq));
        let mut call = self
            .call(ScriptName::Settle, 8 + seqs.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.leases())
            .with(keys.retries())
            .with(keys.dead())
            .with(keys.reasons())
            .with(keys.claims());
        for seq in seqs {
            call.add(keys.outcomes_of(seq));
        }
        call.add(self.now());
        call.add(sale.as_str());
        call.add(OUTCOMES_PER_BUCKET);
        for settlement in settlements {
            add_settlement(&mut call, settlement);
        }
        let mut reply = self.run_on_sale(sale, call).await?;
        settlements.iter().map(|_| read_settle_result(&mut reply)).collect()
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        let build = |state| self.build_recover(sale, state);
        let (state, mut reply) = self.run_with_hints(sale, &[], build).await?;
        Ok(Recovery {
            reclaimed: reply.unsigned()?,
            dead: reply.unsigned()?,
            epoch: state.epoch,
            rises: state.rises(),
            backlog: read_backlog(&mut reply)?,
        })
    }

    async fn reconcile(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<Finding>, StoreError> {
        self.reconcile_orders(sale, orders, repair).await
    }
}

impl RedisStore {
    fn build_claim(
        &self,
        sale: &SaleId,
        request: ClaimRequest,
        state: QueueState,
    ) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let segment = state.claim_segment();
        Ok(self
            .call(ScriptName::Claim, 11)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.leases())
            .with(keys.retries())
            .with(keys.queue(segment))
            .with(keys.queue(segment + 1))
            .with(keys.cancelled(segment))
            .with(keys.cancelled(segment + 1))
            .with(keys.claims())
            .with(keys.restored_segments())
            .with(self.now())
            .with(sale.as_str())
            .with(request.max)
            .with(segment)
            .with(state.epoch)
            .with(state.last_seq))
    }

    fn build_recover(&self, sale: &SaleId, state: QueueState) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let segment = state.claim_segment();
        Ok(self
            .call(ScriptName::Recover, 10)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.leases())
            .with(keys.retries())
            .with(keys.dead())
            .with(keys.reasons())
            .with(keys.queue(segment))
            .with(keys.cancelled(segment))
            .with(keys.claims())
            .with(self.now())
            .with(MAX_BATCH)
            .with(segment)
            .with(state.epoch)
            .with(state.last_seq))
    }
}

/// Reads a claimed ticket: its seq, its attempt, its entry.
pub(super) fn read_claimed(reply: &mut Reply) -> Result<ClaimedEntry, StoreError> {
    let seq = reply.unsigned()?;
    let attempt = reply.small()?;
    Ok(ClaimedEntry { seq, attempt, entry: read_entry(reply, seq)? })
}

/// Reads a ticket that was claimed for the first time: its seq, its entry.
fn read_first_claimed(reply: &mut Reply) -> Result<ClaimedEntry, StoreError> {
    let seq = reply.unsigned()?;
    Ok(ClaimedEntry { seq, attempt: 1, entry: read_entry(reply, seq)? })
}

fn read_entry(reply: &mut Reply, seq: Seq) -> Result<Entry, StoreError> {
    let bytes = reply.bytes()?;
    Entry::decode(&bytes).map_err(|error| reply.unexpected(&format!("ticket {seq}: {error}")))
}

fn add_settlement(call: &mut Call<'_>, Settlement { lease_token, outcome }: &Settlement) {
    call.add(lease_token.seq);
    call.add(lease_token.fence);
    call.add(match outcome {
        Outcome::Ordered { order_id } => format!("O{}", truncate(order_id)),
        Outcome::Rejected { reason } => format!("J{}", truncate(reason)),
        Outcome::Retry { after, reason } => {
            format!("T{}:{}", millis(*after).min(MAX_RETRY_DELAY_MS), truncate(reason))
        }
    });
}

/// The text, truncated to [`MAX_TEXT`] bytes between characters.
pub(super) fn truncate(text: &str) -> &str {
    let max = text.len().min(MAX_TEXT);
    (0..=max).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

fn read_settle_result(reply: &mut Reply) -> Result<SettleResult, StoreError> {
    match reply.signed()? {
        0 => Ok(SettleResult::Stale),
        code => reply.state(code).map(SettleResult::Done),
    }
}

fn read_backlog(reply: &mut Reply) -> Result<Backlog, StoreError> {
    Ok(Backlog {
        waiting: reply.unsigned()?,
        in_flight: reply.unsigned()?,
        dead: reply.unsigned()?,
        next_claim_in: reply.optional()?.map(Duration::from_millis),
        next_expiry_in: reply.optional()?.map(Duration::from_millis),
    })
}
