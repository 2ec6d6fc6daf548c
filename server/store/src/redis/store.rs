//! A handle on Redis: how it runs scripts and commands.
//!
//! A handle has one multiplexed connection, which reconnects by itself, and no pool of connections. A pool lends a
//! connection to one borrower at a time and pings it before each loan: a second round trip for every batch. A
//! multiplexed connection pipelines the commands of all its users, so more connections would gain nothing; a part of
//! the process that must not wait behind others' commands takes a handle of its own with [`Store::with_own_connection`].

use std::sync::Arc;

use async_trait::async_trait;
use inrush_core::{
    sale::{SaleId, SaleSnapshot},
    store::{Store, StoreError, StoreEvent, StoreHandle},
    time::Clock,
};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::broadcast;

use super::{
    command_error::{CommandError, CommandOutcome},
    connection::{Connection, Idempotency},
    endpoint::Endpoint,
    events::Events,
    key_hints::{KeyHints, QueueState},
    keys::Keys,
    reply::{Code, Reply},
    script::{Call, ScriptName, Scripts},
    server_check::{self, DurabilityCache},
    settings::RedisSettings,
    snapshot::read_snapshot,
};

/// How often a call is repeated because its keys did not fit the queue's state any more. A queue advances by two
/// segments, 8,192 tickets, between two calls only if this process was suspended.
const MAX_HINT_CORRECTIONS: usize = 5;

/// Sales in Redis.
pub struct RedisStore {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    /// For batches that wait for a replica: commands behind such a batch on its connection wait as well.
    waiting: Connection,
}

/// What all handles on one Redis share.
pub(super) struct Shared {
    settings: RedisSettings,
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

    /// The current time for scripts: empty where they use the time of Redis.
    pub(super) fn now(&self) -> String {
        match &self.shared.settings.clock {
            Clock::Store => String::new(),
            Clock::Manual(clock) => clock.now().0.to_string(),
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

    /// Runs a script whose keys do not depend on the queue's state; the reply is read up to the answer.
    pub(super) async fn run_on_sale(&self, sale: &SaleId, call: Call<'_>) -> Result<Reply, StoreError> {
        let mut reply = self.run(&call).await?;
        match reply.code()? {
            Code::Done => Ok(reply),
            Code::NoSale => Err(StoreError::SaleNotFound(sale.clone())),
            Code::WrongKeys => Err(reply.unexpected("its keys do not depend on the queue's state")),
        }
    }

    /// Runs a script whose keys depend on the queue's state: builds them from a hint, and again where that was outdated.
    pub(super) async fn run_with_hints<'a>(
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
            "the queue of sale {sale} advances faster than this process can follow"
        )))
    }

    /// Runs a plain command that may be repeated.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let value =
            self.connection.run(command, Idempotency::Idempotent).await.map_err(|failure| failure.error)?;
        T::from_redis_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

#[async_trait]
impl StoreHandle for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    async fn check(&self) -> Result<(), StoreError> {
        let in_cluster = matches!(self.shared.endpoint.as_ref(), Endpoint::Cluster { .. });
        server_check::check(&self.connection, in_cluster).await
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.shared.events.subscribe()
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        let call = self.call(ScriptName::Snapshot, 1)?.with(Keys(sale).sale()).with(self.now());
        let mut reply = self.run_on_sale(sale, call).await?;
        read_snapshot(&mut reply, sale)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Self::on(Arc::clone(&self.shared))))
    }
}
