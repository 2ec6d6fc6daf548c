//! A handle on Redis: how it runs scripts and commands.
//!
//! A handle has one multiplexed connection for the hot path. It pipelines the commands of all its users, so more
//! connections would gain nothing; a part of the process that must not wait behind others' commands takes a handle of
//! its own with [`Store::with_own_connection`]. Beside it a bounded pool lends connections to one borrower at a time: to
//! batches that wait for a replica, and to rare commands (`ScriptName::is_rare`).

use std::sync::Arc;

use async_trait::async_trait;
use inrush_core::{
    epochs::TicketRef,
    sale::{SaleId, SaleSnapshot},
    store::{Store, StoreError, StoreEvent, StoreHandle},
    time::{Clock, Timestamp},
};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::broadcast;

use super::{
    command_error::{CommandError, CommandOutcome},
    connection::Connector,
    endpoint::Endpoint,
    events::Events,
    key_hints::{KeyHints, QueueState},
    keys::Keys,
    pool::ConnectionPool,
    reply::{Code, Reply},
    retry::Idempotency,
    script::{Call, ScriptName, Scripts},
    server_check::{self, DurabilityCache},
    settings::RedisSettings,
    shared_connection::SharedConnection,
    snapshot::read_snapshot,
};

/// How often a call is repeated because its keys did not fit the queue's state any more. A queue advances by two
/// segments, 8,192 tickets, between two calls only if this process was suspended.
const MAX_HINT_CORRECTIONS: usize = 5;

/// How often a call raises the epoch of its sale, each time because the history has changed again, before it fails.
const MAX_RENEWALS: usize = 3;

/// Sales in Redis.
pub struct RedisStore {
    pub(super) shared: Arc<Shared>,
    connection: SharedConnection,
    pub(super) pool: ConnectionPool,
}

/// What all handles on one Redis share.
pub(super) struct Shared {
    pub(super) settings: RedisSettings,
    endpoint: Arc<Endpoint>,
    scripts: Scripts,
    pub(super) hints: KeyHints,
    pub(super) durability: DurabilityCache,
    events: Events,
}

impl RedisStore {
    /// A store on the Redis that `settings` name. It connects in the background and with the first command, so a process
    /// can start before its Redis; [`StoreHandle::check`] succeeds once Redis is there.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when the URL cannot be read.
    pub async fn connect(settings: RedisSettings) -> Result<Arc<Self>, StoreError> {
        let endpoint = Arc::new(Endpoint::of(&settings)?);
        let scripts = Scripts::assemble(&settings.scripts)?;
        endpoint.start();
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
        Ok(Arc::new(Self::with_connections(shared)?))
    }

    fn with_connections(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let connector = Connector::new(Arc::clone(&shared.endpoint), &shared.settings);
        let pool = ConnectionPool::new(connector.clone(), &shared.settings)?;
        Ok(Self { shared, connection: SharedConnection::new(connector), pool })
    }

    /// The current time for scripts: empty where they use the time of Redis.
    pub(super) fn now(&self) -> String {
        match &self.shared.settings.clock {
            Clock::Store => String::new(),
            Clock::Manual(clock) => clock.now().0.to_string(),
        }
    }

    /// The time of this process, or of the test.
    pub(super) fn time(&self) -> Timestamp {
        match &self.shared.settings.clock {
            Clock::Store => Timestamp::now(),
            Clock::Manual(clock) => clock.now(),
        }
    }

    pub(super) fn call(&self, script: ScriptName, keys: usize) -> Result<Call<'_>, StoreError> {
        self.shared.scripts.call(script, keys)
    }

    /// Runs a script.
    pub(super) async fn run(&self, call: &Call<'_>) -> Result<Reply, StoreError> {
        let answer = match self.send(call, call.by_hash()).await {
            Err(CommandError { outcome: CommandOutcome::ScriptMissing, .. }) => {
                self.send(call, &call.by_source()).await
            }
            answer => answer,
        };
        let (value, replicated) = answer.map_err(|error| error.error)?;
        Ok(Reply::new(call.script(), value)?.with_replicated(replicated))
    }

    async fn send(&self, call: &Call<'_>, command: &Cmd) -> Result<(Value, bool), CommandError> {
        let idempotency = call.idempotency();
        if call.waits_for_replica() {
            return Box::pin(self.pool.run_replicated(command, idempotency)).await;
        }
        let value = if call.script().is_rare() {
            Box::pin(self.pool.run(command, idempotency)).await?
        } else {
            self.connection.run(command, idempotency).await?
        };
        Ok((value, false))
    }

    /// Runs a script whose keys do not depend on the queue's state; the reply is read up to the answer.
    pub(super) async fn run_on_sale(&self, sale: &SaleId, call: Call<'_>) -> Result<Reply, StoreError> {
        self.run_on_tickets(sale, &[], call).await
    }

    /// The same for a script that gets `tickets`: the store must not be behind them.
    pub(super) async fn run_on_tickets(
        &self,
        sale: &SaleId,
        tickets: &[TicketRef],
        call: Call<'_>,
    ) -> Result<Reply, StoreError> {
        for _ in 0..MAX_RENEWALS {
            let mut reply = self.run(&call).await?;
            match reply.code()? {
                Code::Done => return Ok(reply),
                Code::NoSale => return Err(StoreError::SaleNotFound(sale.clone())),
                Code::WrongKeys => {
                    return Err(reply.unexpected("its keys do not depend on the queue's state"));
                }
                Code::HistoryChanged => self.renew(sale, self.latest_of(sale, tickets)).await?,
            }
        }
        Err(history_is_unsteady(sale))
    }

    /// Runs a script whose keys depend on the queue's state: builds them from a hint, and again where that was outdated.
    pub(super) async fn run_with_hints<'a>(
        &'a self,
        sale: &SaleId,
        tickets: &[TicketRef],
        build: impl Fn(QueueState) -> Result<Call<'a>, StoreError>,
    ) -> Result<(QueueState, Reply), StoreError> {
        let mut hint = self.shared.hints.get(sale);
        let mut renewals = 0;
        for _ in 0..MAX_HINT_CORRECTIONS {
            let mut reply = self.run(&build(hint)?).await?;
            match reply.code()? {
                Code::Done => {
                    let state = QueueState::read(&mut reply)?;
                    self.shared.hints.update(sale, state);
                    return Ok((state, reply));
                }
                Code::NoSale => return Err(StoreError::SaleNotFound(sale.clone())),
                Code::WrongKeys => {
                    hint = QueueState::read(&mut reply)?;
                    self.shared.hints.update(sale, hint);
                }
                Code::HistoryChanged if renewals == MAX_RENEWALS => return Err(history_is_unsteady(sale)),
                Code::HistoryChanged => {
                    renewals += 1;
                    self.renew(sale, self.latest_of(sale, tickets)).await?;
                }
            }
        }
        Err(StoreError::Unavailable(format!(
            "the queue of sale {sale} advances faster than this process can follow"
        )))
    }

    /// The latest ticket that this process knows: one of `tickets`, or of the store's replies so far.
    pub(super) fn latest_of(&self, sale: &SaleId, tickets: &[TicketRef]) -> TicketRef {
        let seen = self.shared.hints.get(sale).latest();
        tickets.iter().copied().fold(seen, Ord::max)
    }

    /// Runs a plain command of the hot path that may be repeated.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        read(self.connection.run(command, Idempotency::Idempotent).await)
    }

    /// Runs a rare plain command that may be repeated.
    pub(super) async fn query_pooled<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        read(self.pool.run(command, Idempotency::Idempotent).await)
    }
}

fn history_is_unsteady(sale: &SaleId) -> StoreError {
    StoreError::Unavailable(format!("the history of the store changes again and again under sale {sale}"))
}

fn read<T: FromRedisValue>(result: Result<Value, CommandError>) -> Result<T, StoreError> {
    let value = result.map_err(|error| error.error)?;
    T::from_redis_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[async_trait]
impl StoreHandle for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    async fn check(&self) -> Result<(), StoreError> {
        let in_cluster = matches!(self.shared.endpoint.as_ref(), Endpoint::Cluster { .. });
        server_check::check(&self.pool, in_cluster).await
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.shared.events.subscribe()
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        let call = self
            .call(ScriptName::Snapshot, 2)?
            .with(Keys(sale).sale())
            .with(Keys(sale).marker())
            .with(self.now());
        let mut reply = self.run_on_sale(sale, call).await?;
        read_snapshot(&mut reply, sale)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Self::with_connections(Arc::clone(&self.shared))?))
    }
}
