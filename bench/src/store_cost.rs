//! What each operation of the store costs Redis while so many wait: processor time for each ticket, and memory.
//!
//! The time is that of the Redis process alone, network included. Batches follow one another; none waits for another.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::{TryStreamExt as _, stream};
use inrush_core::store::prelude::*;
use inrush_core::{
    SaleId, SaleSettings, Seq, TicketRef,
    store::{ClaimRequest, ConfigureResult, LeaseToken, MAX_BATCH, Outcome, Precondition, Settlement},
};
use inrush_store::redis::{RedisSettings, RedisStore};
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value};
use tokio::runtime::Builder;

use crate::fill::{ID_MULTIPLIER, request};

/// Batches in flight while nothing is measured.
const BATCHES_IN_FLIGHT: usize = 8;

/// Of the line every so many-th ticket is cancelled at last.
const CANCEL_EVERY: u64 = 10;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT, with nothing in it.
    #[arg(long)]
    store: String,
    /// How many wait in all sales together.
    #[arg(long)]
    waiting: u64,
    /// How many sales they are in. Batches go to one after the other.
    #[arg(long, default_value_t = 1)]
    sales: u64,
    /// Bytes of payload of each buyer.
    #[arg(long, default_value_t = 0)]
    payload: usize,
    /// Tickets in one batch, at most 256.
    #[arg(long, default_value_t = MAX_BATCH)]
    batch: usize,
    /// Tickets that each operation is measured with.
    #[arg(long, default_value_t = 50_000)]
    tickets: u64,
}

/// Fills the line, measures, and prints bytes for each waiting ticket and microseconds of each operation.
///
/// # Errors
/// If a sale exists, or the store is away.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let metrics = Bench::start(arguments).await?.measure().await?;
        println!("{}", Value::Object(metrics));
        Ok(())
    })
}

/// Sales that are filled, and how they are measured.
struct Bench<'a> {
    arguments: &'a Arguments,
    store: Arc<RedisStore>,
    redis: MultiplexedConnection,
    sales: Vec<SaleId>,
    epochs: HashMap<SaleId, u64>,
    /// How many wait in each sale once it is filled.
    line: u64,
    batches: Vec<Batch>,
}

/// Tickets of one sale that one operation is for.
struct Batch {
    sale: SaleId,
    /// Places in the line, in no order.
    anywhere: Vec<Seq>,
    /// Buyers who are not in line yet.
    newcomers: Vec<u64>,
}

impl<'a> Bench<'a> {
    async fn start(arguments: &'a Arguments) -> anyhow::Result<Self> {
        let store = RedisStore::connect(RedisSettings::new(&arguments.store)).await?;
        let client = redis::Client::open(arguments.store.as_str())?;
        let redis = client.get_multiplexed_async_connection().await?;
        let sales: Vec<SaleId> = (0..arguments.sales.max(1))
            .map(|number| format!("sale-{number}").parse())
            .collect::<Result<_, _>>()?;
        let line = (arguments.waiting / arguments.sales.max(1)).max(1);
        let batches = batches(arguments, &sales, line);
        let batches_of_a_sale = batches.len().div_ceil(sales.len());
        let stock = line + (batches_of_a_sale * arguments.batch) as u64;
        let mut epochs = HashMap::new();
        for sale in &sales {
            let settings = SaleSettings::of_stock(stock);
            let ConfigureResult::Done(created) =
                store.configure(sale, &settings, Precondition::Absent).await?
            else {
                bail!("the sale {sale} exists");
            };
            epochs.insert(sale.clone(), created.epoch);
        }
        Ok(Self { arguments, store, redis, sales, epochs, line, batches })
    }

    async fn measure(&self) -> anyhow::Result<Map<String, Value>> {
        let empty = self.info("memory", "used_memory:").await?;
        self.fill().await?;
        let waiting = self.line * self.sales.len() as u64;
        let filled = self.info("memory", "used_memory:").await?;
        let mut metrics = Map::new();
        let mut record = |name: &str, value: f64| metrics.insert(name.to_owned(), Value::from(value));
        record("bytes", (filled - empty) / as_number(waiting));
        record("admit", self.cost(async |batch| self.admit(&batch.sale, &batch.newcomers).await).await?);
        record(
            "admit_again",
            self.cost(async |batch| self.admit(&batch.sale, &batch.newcomers).await).await?,
        );
        record("look_up", self.cost(async |batch| self.look_up(batch).await).await?);
        let claims = RefCell::new(Vec::new());
        record("claim", self.cost(async |batch| self.claim(batch, &claims).await).await?);
        let claims = RefCell::new(claims.into_inner().into_iter());
        let settle = async |_: &Batch| {
            let next = claims.borrow_mut().next();
            let (sale, settlements) = next.context("as many claims as settlements")?;
            self.store.settle(&sale, &settlements).await?;
            Ok(())
        };
        record("settle", self.cost(settle).await?);
        record("cancel", self.cancel_some().await?);
        record("look_up_cancelled", self.cost(async |batch| self.look_up(batch).await).await?);
        Ok(metrics)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let batch = MAX_BATCH as u64;
        let starts = (0..self.line.div_ceil(batch)).map(|number| number * batch);
        let parts = starts.flat_map(|start| self.sales.iter().map(move |sale| (sale, start)));
        stream::iter(parts.map(anyhow::Ok))
            .try_for_each_concurrent(BATCHES_IN_FLIGHT, |(sale, start)| async move {
                let buyers: Vec<u64> = (start..(start + batch).min(self.line)).collect();
                self.admit(sale, &buyers).await
            })
            .await
    }

    async fn admit(&self, sale: &SaleId, buyers: &[u64]) -> anyhow::Result<()> {
        let requests: Vec<_> =
            buyers.iter().map(|&buyer| request(buyer, self.arguments.payload)).collect::<Result<_, _>>()?;
        self.store.admit(sale, &requests).await?;
        Ok(())
    }

    fn tickets(&self, sale: &SaleId, seqs: &[Seq]) -> anyhow::Result<Vec<TicketRef>> {
        let &epoch = self.epochs.get(sale).context("every sale has an epoch")?;
        Ok(seqs.iter().map(|&seq| TicketRef { epoch, seq }).collect())
    }

    async fn look_up(&self, batch: &Batch) -> anyhow::Result<()> {
        self.store.look_up(&batch.sale, &self.tickets(&batch.sale, &batch.anywhere)?).await?;
        Ok(())
    }

    async fn claim(
        &self,
        batch: &Batch,
        claims: &RefCell<Vec<(SaleId, Vec<Settlement>)>>,
    ) -> anyhow::Result<()> {
        let claim = self.store.claim(&batch.sale, ClaimRequest { max: batch.anywhere.len() }).await?;
        let settlements = claim.entries.iter().map(|claimed| Settlement {
            lease_token: LeaseToken { seq: claimed.seq, fence: claim.fence },
            outcome: Outcome::Ordered { order_id: format!("order-{}", claimed.seq) },
        });
        claims.borrow_mut().push((batch.sale.clone(), settlements.collect()));
        Ok(())
    }

    /// Cancels a tenth of every line that is behind what was claimed.
    async fn cancel_some(&self) -> anyhow::Result<f64> {
        let mut batches = Vec::new();
        for sale in &self.sales {
            let first = self.store.sale(sale).await?.cursor + 1;
            let seqs: Vec<Seq> = (first..=self.line).step_by(usize::try_from(CANCEL_EVERY)?).collect();
            batches.extend(seqs.chunks(self.arguments.batch).map(|seqs| (sale, seqs.to_vec())));
        }
        let mut cancelled = 0;
        let before = self.cpu_seconds().await?;
        for (sale, seqs) in &batches {
            cancelled += seqs.len() as u64;
            self.store.cancel(sale, &self.tickets(sale, seqs)?).await?;
        }
        Ok((self.cpu_seconds().await? - before) * 1e6 / as_number(cancelled))
    }

    /// Microseconds of Redis for each ticket.
    async fn cost(&self, operation: impl AsyncFn(&Batch) -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let before = self.cpu_seconds().await?;
        for batch in &self.batches {
            operation(batch).await?;
        }
        let tickets: usize = self.batches.iter().map(|batch| batch.anywhere.len()).sum();
        Ok((self.cpu_seconds().await? - before) * 1e6 / as_number(tickets as u64))
    }

    async fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.info("cpu", "used_cpu_user:").await? + self.info("cpu", "used_cpu_sys:").await?)
    }

    async fn info(&self, section: &str, field: &str) -> anyhow::Result<f64> {
        let text: String = redis::cmd("INFO").arg(section).query_async(&mut self.redis.clone()).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok());
        value.with_context(|| format!("INFO {section} has no {field}"))
    }
}

fn batches(arguments: &Arguments, sales: &[SaleId], line: u64) -> Vec<Batch> {
    let size = arguments.batch.clamp(1, MAX_BATCH) as u64;
    let starts = (0..arguments.tickets.div_ceil(size)).map(|number| number * size);
    let batch = |(start, sale): (u64, &SaleId)| Batch {
        sale: sale.clone(),
        anywhere: (start..start + size).map(|number| 1 + number.wrapping_mul(ID_MULTIPLIER) % line).collect(),
        newcomers: (line + start..line + start + size).collect(),
    };
    starts.zip(sales.iter().cycle()).map(batch).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
const fn as_number(count: u64) -> f64 {
    count as f64
}
