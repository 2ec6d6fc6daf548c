//! The store on Redis or Valkey: one server, a master found by Redis Sentinel, or a Redis Cluster.
//!
//! Every operation is one Lua script under `redis/lua/`, run with `EVALSHA` (and `EVAL` on a server that does not know it
//! yet), so that nobody sees the middle of it. This file is the way in; the operations are in `redis/queue_ops.rs` (buyers),
//! `redis/worker_ops.rs` (fulfilment) and `redis/admin_ops.rs` (operators).
//!
//! A handle has one multiplexed connection, which heals itself, and no pool of connections. A pool hands a connection to
//! one borrower at a time and pings it before each loan: a second round trip for every batch. A multiplexed connection
//! carries the commands of all its users one behind the other without waiting, so more connections would bring nothing;
//! who must not wait behind others' commands takes a handle of its own with [`Store::with_own_connection`].

use std::sync::Arc;

use async_trait::async_trait;
use inrush_core::{
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Durability, LeaseToken, LookUpReply, MAX_BATCH, Precondition, Recovery, ReleaseResult,
        SettleResult, Settlement, Store, StoreError, StoreEvent,
    },
    ticket::Seq,
    time::Clock,
};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::broadcast;

use self::{
    command_error::{CommandError, CommandOutcome},
    connection::{Connection, Idempotency},
    endpoint::Endpoint,
    events::Events,
    key_hints::{KeyHints, QueueState},
    reply::{Code, Reply},
    script::{Call, ScriptName, Scripts},
    server_check::DurabilityCache,
};

mod admin_ops;
mod command_error;
mod connection;
mod endpoint;
mod events;
mod fingerprint;
mod key_hints;
mod keys;
mod queue_ops;
mod reply;
mod script;
mod server_check;
mod settings;
mod snapshot;
mod worker_ops;

pub use self::{
    script::ScriptSources,
    settings::{
        DEFAULT_CONNECT_TIMEOUT, DEFAULT_REPLICATION_TIMEOUT, DEFAULT_RESPONSE_TIMEOUT, RedisSettings,
    },
};

/// How often a call is made again because the line had moved on. A line moves past two segments, 8,192 tickets, between
/// two calls only if this process was asleep.
const MAX_HINT_CORRECTIONS: usize = 5;

/// Keeps sales in Redis.
pub struct RedisStore {
    shared: Arc<Shared>,
    connection: Connection,
    /// For batches that wait for a replica: whatever comes behind such a batch on its connection waits as well.
    waiting: Connection,
}

/// What all handles on one Redis have in common.
struct Shared {
    settings: RedisSettings,
    endpoint: Arc<Endpoint>,
    scripts: Scripts,
    hints: KeyHints,
    durability: DurabilityCache,
    events: Events,
}

impl RedisStore {
    /// A store on the Redis that `settings` name. It connects in the background and with the first command, so that a
    /// process can start before its Redis; [`Store::check`] tells when it is there.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when the URL cannot be read.
    pub async fn connect(settings: RedisSettings) -> Result<Arc<Self>, StoreError> {
        let endpoint = Arc::new(Endpoint::of(&settings)?);
        let scripts = Scripts::assemble(&settings.scripts)?;
        let events =
            Events::listen(Arc::clone(&endpoint), settings.connect_timeout + settings.response_timeout);
        let shared = Arc::new(Shared {
            settings,
            endpoint,
            scripts,
            hints: KeyHints::default(),
            durability: DurabilityCache::default(),
            events,
        });
        Ok(Arc::new(Self::on(shared)))
    }

    fn on(shared: Arc<Shared>) -> Self {
        let RedisSettings { connect_timeout, response_timeout, .. } = shared.settings;
        let connection = || Connection::new(Arc::clone(&shared.endpoint), connect_timeout, response_timeout);
        let (connection, waiting) = (connection(), connection());
        Self { shared, connection, waiting }
    }

    /// What scripts get as the present moment: nothing where they ask Redis itself.
    fn now(&self) -> String {
        match &self.shared.settings.clock {
            Clock::Store => String::new(),
            Clock::Manual(clock) => clock.now().0.to_string(),
        }
    }

    fn call(&self, script: ScriptName, keys: usize) -> Result<Call<'_>, StoreError> {
        self.shared.scripts.call(script, keys)
    }

    /// Runs a script.
    async fn run(&self, call: &Call<'_>) -> Result<Reply, StoreError> {
        let answer = match self.send(call, call.by_hash()).await {
            Err(CommandError { outcome: CommandOutcome::ScriptMissing, .. }) => {
                self.send(call, &call.by_source()).await
            }
            answer => answer,
        };
        let (value, replicated) = answer.map_err(|failure| failure.error)?;
        Ok(Reply::new(call.script(), value)?.with_replicated(replicated))
    }

    async fn send(&self, call: &Call<'_>, command: &Cmd) -> Result<(Value, bool), CommandError> {
        if call.waits_for_replica() {
            let timeout = self.shared.settings.wait_timeout();
            return self.waiting.run_replicated(command, call.idempotency(), timeout).await;
        }
        self.connection.run(command, call.idempotency()).await.map(|value| (value, false))
    }

    /// Runs a script whose keys do not depend on where the line stands; the reply is read up to the answer.
    async fn run_on_sale(&self, sale: &SaleId, call: Call<'_>) -> Result<Reply, StoreError> {
        let mut reply = self.run(&call).await?;
        match reply.code()? {
            Code::Done => Ok(reply),
            Code::NoSale => Err(StoreError::SaleNotFound(sale.clone())),
            Code::WrongKeys => Err(reply.unexpected("its keys never depend on the line")),
        }
    }

    /// Runs a script whose keys depend on where the line stands: hints, and corrects the hint where it was wrong.
    async fn run_with_hints<'a>(
        &'a self,
        sale: &SaleId,
        build: impl Fn(QueueState) -> Result<Call<'a>, StoreError>,
    ) -> Result<(QueueState, Reply), StoreError> {
        let mut hint = self.shared.hints.get(sale);
        for _ in 0..MAX_HINT_CORRECTIONS {
            let mut reply = self.run(&build(hint)?).await?;
            let code = reply.code()?;
            if code == Code::NoSale {
                return Err(StoreError::SaleNotFound(sale.clone()));
            }
            hint = QueueState::read(&mut reply)?;
            self.shared.hints.update(sale, hint);
            if code == Code::Done {
                return Ok((hint, reply));
            }
        }
        Err(StoreError::Unavailable(format!(
            "the line of sale {sale} moves faster than this process can follow"
        )))
    }

    /// Runs a plain command that may be repeated.
    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let value =
            self.connection.run(command, Idempotency::Idempotent).await.map_err(|failure| failure.error)?;
        T::from_redis_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

fn bounded(operations: usize) -> Result<(), StoreError> {
    if operations <= MAX_BATCH {
        return Ok(());
    }
    Err(StoreError::Unsuitable(format!(
        "{operations} operations were asked for in one call, the most is {MAX_BATCH}: split them"
    )))
}

#[async_trait]
impl Store for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Self::on(Arc::clone(&self.shared))))
    }

    async fn check(&self) -> Result<(), StoreError> {
        let in_cluster = matches!(self.shared.endpoint.as_ref(), Endpoint::Cluster { .. });
        server_check::check(&self.connection, in_cluster).await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        match durability {
            Durability::Memory => Ok(true),
            Durability::Fsync => Ok(self.shared.durability.ask(&self.connection).await? == durability),
            Durability::Replicated => server_check::has_replicas(&self.connection).await,
        }
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.shared.events.subscribe()
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        self.configure_sale(sale, settings, precondition).await
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.read_sale(sale).await
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        self.list_sales(after, limit).await
    }

    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        self.list_ids(after, limit).await
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.close_sale(sale).await
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        self.delete_sale(sale).await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        bounded(requests.len())?;
        self.admit_batch(sale, requests).await
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.admitted_hashes(sale, after).await
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        bounded(seqs.len())?;
        self.look_up_batch(sale, seqs).await
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        bounded(seqs.len())?;
        self.cancel_batch(sale, seqs).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        bounded(request.max)?;
        self.claim_entries(sale, request).await
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        bounded(leases.len())?;
        self.extend_leases(sale, leases).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        bounded(settlements.len())?;
        self.settle_batch(sale, settlements).await
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.recover_leases(sale).await
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        bounded(seqs.len())?;
        self.release_batch(sale, seqs).await
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.list_dead(sale, after, limit).await
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        bounded(seqs.len())?;
        self.redrive_batch(sale, seqs).await
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        bounded(seqs.len())?;
        self.discard_batch(sale, seqs).await
    }
}
