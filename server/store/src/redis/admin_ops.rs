//! The operators' operations: sales created, changed, listed, closed and deleted, and dead letters.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use inrush_core::{
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdminStore, ConfigureResult, DeadLetter, DeleteResult, Durability, MAX_BATCH, Precondition,
        StoreError, StoreHandle, WorkStore, check_batch_size,
    },
    ticket::Seq,
};
use redis::cmd;

use super::{
    history::read_epochs,
    keys::{self, Key, Keys, REGISTRY},
    reply::Reply,
    script::ScriptName,
    server_check,
    snapshot::{add_settings, read_snapshot},
    store::RedisStore,
    worker_ops::read_claimed,
};

/// Keys removed by one script run, which then takes about a millisecond.
const KEYS_PER_SWEEP: usize = 512;

/// Sales read concurrently when they are listed.
const LIST_CONCURRENCY: usize = 32;

/// How often a creation sweeps an earlier sale of the same name before it gives up.
const MAX_SWEEPS: usize = 3;

/// What determines the keys that are left of a deleted sale.
struct SweepPlan {
    epoch: u64,
    buckets: u64,
    admitted: u64,
    /// The first and last seq of each epoch.
    seqs: Vec<RangeInclusive<Seq>>,
}

enum DeleteDecision {
    DeleteResult(DeleteResult),
    ToSweep(SweepPlan),
}

#[async_trait]
impl AdminStore for RedisStore {
    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        match durability {
            Durability::Memory => Ok(true),
            Durability::Fsync => Ok(self.shared.durability.fetch(&self.pool).await? == durability),
            Durability::Replicated => server_check::has_replicas(&self.pool).await,
        }
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        if let Precondition::Version(version) = precondition {
            let written = self.write_settings(sale, settings, Some(version)).await?;
            return written
                .ok_or_else(|| StoreError::Corrupt(format!("sale {sale} exists and is being deleted")));
        }
        for _ in 0..MAX_SWEEPS {
            // A sale that exists must be in the registry: entered before, and again after, since another process may have
            // removed the entry while there was no sale.
            self.register(sale).await?;
            if let Some(configured) = self.write_settings(sale, settings, None).await? {
                self.register(sale).await?;
                return Ok(configured);
            }
            self.delete(sale).await?;
        }
        Err(StoreError::Unavailable(format!(
            "sale {sale} is being deleted repeatedly while it is being created; retry"
        )))
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        let mut found = Vec::new();
        let mut last = after.cloned();
        while found.len() < limit {
            let ids = self.sale_ids(last.as_ref(), limit - found.len()).await?;
            let Some(last_id) = ids.last() else { break };
            last = Some(last_id.clone());
            let snapshots: Vec<_> = stream::iter(ids)
                .map(|id| self.read_listed(id))
                .buffered(LIST_CONCURRENCY)
                .try_collect()
                .await?;
            found.extend(snapshots.into_iter().flatten());
        }
        Ok(found)
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        let call = self
            .call(ScriptName::Close, 2)?
            .with(Keys(sale).sale())
            .with(Keys(sale).marker())
            .with(self.now())
            .with(sale.as_str());
        let mut reply = self.run_on_sale(sale, call).await?;
        read_snapshot(&mut reply, sale)
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        let keys = Keys(sale);
        let call = self
            .call(ScriptName::Delete, 4)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.tombstone())
            .with(keys.restored_segments());
        let mut reply = self.run_on_sale(sale, call).await?;
        match read_delete_decision(&mut reply)? {
            DeleteDecision::DeleteResult(DeleteResult::Deleted) => {}
            DeleteDecision::DeleteResult(deletion) => return Ok(deletion),
            DeleteDecision::ToSweep(plan) => self.sweep(sale, &plan).await?,
        }
        self.unregister(sale).await?;
        Ok(DeleteResult::Deleted)
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters: Vec<DeadLetter> = Vec::new();
        loop {
            let last = letters.last().map_or(after, |letter| letter.claimed.seq);
            let page = self.list_dead_page(sale, last, (limit - letters.len()).min(MAX_BATCH)).await?;
            let is_last = page.len() < MAX_BATCH;
            letters.extend(page);
            if is_last || letters.len() >= limit {
                return Ok(letters);
            }
        }
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(seqs.len())?;
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Redrive, 6)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.retries())
            .with(keys.dead())
            .with(keys.reasons())
            .with(self.now())
            .with(sale.as_str());
        for seq in seqs {
            call.add(seq);
        }
        let mut reply = self.run_on_sale(sale, call).await?;
        seqs.iter().map(|_| reply.flag()).collect()
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(seqs.len())?;
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Discard, 5 + seqs.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.dead())
            .with(keys.reasons());
        for &seq in seqs {
            call.add(keys.outcomes_of(seq));
        }
        call.add(sale.as_str());
        for seq in seqs {
            call.add(seq);
        }
        let mut reply = self.run_on_sale(sale, call).await?;
        seqs.iter().map(|_| reply.flag()).collect()
    }
}

impl RedisStore {
    /// `None` while an earlier sale of this name is being deleted.
    async fn write_settings(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        version: Option<u64>,
    ) -> Result<Option<ConfigureResult>, StoreError> {
        let keys = Keys(sale);
        let mut call = self
            .call(ScriptName::Configure, 3)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.tombstone())
            .with(self.now())
            .with(sale.as_str())
            .with(version.map_or_else(String::new, |version| version.to_string()))
            .with(keys::buckets_for(settings.effective_cap()))
            .with(self.shared.hints.get(sale).epoch);
        add_settings(&mut call, settings);
        match self.run_on_sale(sale, call).await {
            Ok(mut reply) => read_configure_result(&mut reply, sale),
            Err(StoreError::SaleNotFound(_)) => Ok(Some(ConfigureResult::Conflict(None))),
            Err(error) => Err(error),
        }
    }

    async fn register(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.query_pooled(cmd("ZADD").arg(REGISTRY).arg(0).arg(sale.as_str())).await
    }

    /// `None`, and removed from the registry, if there is no sale: its creation or deletion was interrupted.
    async fn read_listed(&self, id: SaleId) -> Result<Option<SaleSnapshot>, StoreError> {
        match self.sale(&id).await {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(StoreError::SaleNotFound(_)) => self.unregister(&id).await.map(|()| None),
            Err(error) => Err(error),
        }
    }

    async fn sweep(&self, sale: &SaleId, plan: &SweepPlan) -> Result<(), StoreError> {
        let mut keys = Keys(sale).all(plan.buckets, plan.admitted, &plan.seqs).peekable();
        while keys.peek().is_some() {
            let batch: Vec<Key<'_>> = keys.by_ref().take(KEYS_PER_SWEEP).collect();
            let mut call = self.call(ScriptName::Sweep, 1 + batch.len())?.with(Keys(sale).tombstone());
            for key in batch {
                call.add(key);
            }
            call.add(plan.epoch);
            call.add(u8::from(keys.peek().is_none()));
            if !self.run_on_sale(sale, call).await?.flag()? {
                break;
            }
        }
        Ok(())
    }

    /// Removes an id from the registry, and registers it again if a sale of that name has been created since.
    async fn unregister(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.query_pooled::<()>(cmd("ZREM").arg(REGISTRY).arg(sale.as_str())).await?;
        let exists: u64 = self.query_pooled(cmd("EXISTS").arg(Keys(sale).sale())).await?;
        if exists > 0 { self.register(sale).await } else { Ok(()) }
    }

    async fn list_dead_page(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let keys = Keys(sale);
        let call = self
            .call(ScriptName::DeadLetters, 5)?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.dead())
            .with(keys.reasons())
            .with(after)
            .with(limit);
        let mut reply = self.run_on_sale(sale, call).await?;
        let present = reply.unsigned()?;
        let epochs = read_epochs(&mut reply, present)?;
        let mut letters = Vec::new();
        while !reply.is_at_end() {
            let claimed = read_claimed(&mut reply)?;
            let epoch = epochs.ticket(claimed.seq).epoch;
            letters.push(DeadLetter { epoch, claimed, reason: reply.text()? });
        }
        Ok(letters)
    }
}

fn read_configure_result(reply: &mut Reply, sale: &SaleId) -> Result<Option<ConfigureResult>, StoreError> {
    Ok(Some(match reply.signed()? {
        0 => ConfigureResult::Done(read_snapshot(reply, sale)?),
        1 => ConfigureResult::Conflict(Some(read_snapshot(reply, sale)?)),
        2 => ConfigureResult::CapBelowHeld { held: reply.unsigned()? },
        3 => ConfigureResult::StockBelowCommitted { committed: reply.unsigned()? },
        4 => ConfigureResult::Closed,
        5 => return Ok(None),
        code => return Err(reply.unexpected(&format!("{code} is not a result of a configuration"))),
    }))
}

fn read_ranges(reply: &mut Reply) -> Result<Vec<RangeInclusive<Seq>>, StoreError> {
    let mut ranges = Vec::new();
    while !reply.is_at_end() {
        ranges.push(reply.unsigned()?..=reply.unsigned()?);
    }
    Ok(ranges)
}

fn read_delete_decision(reply: &mut Reply) -> Result<DeleteDecision, StoreError> {
    Ok(match reply.signed()? {
        0 => DeleteDecision::DeleteResult(DeleteResult::Deleted),
        1 => DeleteDecision::DeleteResult(DeleteResult::NotClosed),
        2 => DeleteDecision::DeleteResult(DeleteResult::Busy { tickets: reply.unsigned()? }),
        3 => DeleteDecision::ToSweep(SweepPlan {
            epoch: reply.unsigned()?,
            buckets: reply.unsigned()?,
            admitted: reply.unsigned()?,
            seqs: read_ranges(reply)?,
        }),
        code => return Err(reply.unexpected(&format!("{code} is not a result of a deletion"))),
    })
}
