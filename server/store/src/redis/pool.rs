//! Connections that are lent to one borrower at a time: for commands that block their connection (`WAIT`), and for rare
//! ones (operators, sweeps, server checks) that must neither wait behind the hot path's commands nor delay them.
//!
//! The pool is deadpool's. The managers of deadpool-redis connect neither to a cluster nor through sentinels with an
//! authority's certificate, timeouts or a password of the master's own, so the manager here is [`Connector`], which
//! makes the hot path's connections too. It also saves their PING, a round trip, before each loan of a connection that
//! was in use just now.

use std::{fmt, time::Duration};

use deadpool::{
    Runtime,
    managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType},
};
use inrush_core::store::StoreError;
use redis::{Cmd, RedisResult, Value, cmd};

use super::{
    command_error::CommandError,
    connection::{Connection, Connector},
    required_replicas::RequiredReplicas,
    retry::{Idempotency, Retries},
    settings::RedisSettings,
};

/// A connection that was idle for longer is checked before it is lent.
const IDLE_CHECK: Duration = Duration::from_secs(5);

/// A bounded pool of connections, which connects when one is needed.
pub(super) struct ConnectionPool {
    connector: Connector,
    pool: managed::Pool<Connector>,
    max_size: usize,
    required_replicas: RequiredReplicas,
    wait_timeout: Duration,
}

/// A connection of the pool.
pub(super) struct Pooled {
    connection: Connection,
    /// A command is running. Stays so when that command is cancelled or breaks the connection: it is then closed
    /// instead of lent again, since the next borrower would wait behind that command.
    busy: bool,
}

impl managed::Manager for Connector {
    type Type = Pooled;
    type Error = CommandError;

    async fn create(&self) -> Result<Pooled, CommandError> {
        Ok(Pooled { connection: self.connect().await?, busy: false })
    }

    async fn recycle(&self, pooled: &mut Pooled, metrics: &Metrics) -> RecycleResult<CommandError> {
        if pooled.busy {
            return Err(RecycleError::message("its last command did not complete"));
        }
        if pooled.connection.is_retired() {
            return Err(RecycleError::message("a failover replaced its server"));
        }
        if metrics.last_used() < IDLE_CHECK {
            return Ok(());
        }
        match pooled.connection.run(&cmd("PING")).await {
            Ok(_) => Ok(()),
            Err(error) => Err(RecycleError::Backend(self.command_error(&error))),
        }
    }
}

impl ConnectionPool {
    /// An empty pool.
    ///
    /// # Errors
    /// Never in practice: the pool has the runtime that its timeouts need.
    pub(super) fn new(connector: Connector, settings: &RedisSettings) -> Result<Self, StoreError> {
        let max_size = settings.max_pooled_connections.max(1);
        let pool = managed::Pool::builder(connector.clone())
            .max_size(max_size)
            .wait_timeout(Some(settings.response_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Unsuitable(format!("connection pool: {error}")))?;
        Ok(Self {
            connector,
            pool,
            max_size,
            required_replicas: RequiredReplicas::new(settings.replicas),
            wait_timeout: settings.wait_timeout(),
        })
    }

    /// Runs a command, on the node that has its keys.
    pub(super) async fn run(&self, command: &Cmd, idempotency: Idempotency) -> Result<Value, CommandError> {
        let mut retries = Retries::new(idempotency);
        loop {
            match self.attempt(command).await {
                Ok(value) => return Ok(value),
                Err(error) => retries.after(error).await?,
            }
        }
    }

    async fn attempt(&self, command: &Cmd) -> Result<Value, CommandError> {
        let mut pooled = self.borrow().await?;
        let result = pooled.connection.run(command).await;
        self.finish(pooled, result)
    }

    /// Runs a command and waits for replicas. Returns also whether all that are required have acknowledged it.
    pub(super) async fn run_replicated(
        &self,
        command: &Cmd,
        idempotency: Idempotency,
    ) -> Result<(Value, bool), CommandError> {
        let mut retries = Retries::new(idempotency);
        loop {
            match self.attempt_replicated(command).await {
                Ok(reply) => return Ok(reply),
                Err(error) => retries.after(error).await?,
            }
        }
    }

    async fn attempt_replicated(&self, command: &Cmd) -> Result<(Value, bool), CommandError> {
        let mut pooled = self.borrow().await?;
        let result = self.run_and_wait(&mut pooled.connection, command).await;
        self.finish(pooled, result)
    }

    async fn run_and_wait(&self, connection: &mut Connection, command: &Cmd) -> RedisResult<(Value, bool)> {
        let replicas = self.required_replicas.of(connection, command).await?;
        connection.run_replicated(command, replicas, self.wait_timeout).await
    }

    /// Runs a command without keys, which changes nothing, on every master.
    pub(super) async fn query_masters(&self, command: &Cmd) -> Result<Vec<Value>, CommandError> {
        let mut retries = Retries::new(Idempotency::Idempotent);
        loop {
            match self.attempt_on_masters(command).await {
                Ok(values) => return Ok(values),
                Err(error) => retries.after(error).await?,
            }
        }
    }

    async fn attempt_on_masters(&self, command: &Cmd) -> Result<Vec<Value>, CommandError> {
        let mut pooled = self.borrow().await?;
        let result = pooled.connection.query_masters(command).await;
        self.finish(pooled, result)
    }

    async fn borrow(&self) -> Result<Object<Connector>, CommandError> {
        match self.pool.get().await {
            Ok(mut pooled) => {
                pooled.busy = true;
                Ok(pooled)
            }
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(self.unavailable(&format_args!(
                "timed out waiting for one of {} pooled connections: all of them wait for replicas or for slow answers",
                self.max_size
            ))),
            Err(PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)) => {
                Err(self.unavailable(&"timed out while connecting"))
            }
            Err(PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                Err(self.unavailable(&"connection pool is closed"))
            }
        }
    }

    /// Returns a connection to the pool. After an error that breaks it, all idle ones are closed too: they have the same
    /// peer.
    fn finish<T>(&self, mut pooled: Object<Connector>, result: RedisResult<T>) -> Result<T, CommandError> {
        let result = result.map_err(|error| self.connector.command_error(&error));
        pooled.busy = matches!(&result, Err(error) if error.connection_broken);
        if pooled.busy {
            drop(pooled);
            self.pool.retain(|_, _| false);
        }
        result
    }

    fn unavailable(&self, why: &dyn fmt::Display) -> CommandError {
        CommandError::unavailable(self.connector.name(), why)
    }
}
