//! The connection pools of the database, and transactions that are retried after contention and never wait
//! forever.

use std::{
    future::Future,
    str::FromStr as _,
    time::{Duration, Instant},
};

use inrush_runtime::backoff::Backoff;
use sqlx::{
    AnyPool, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{MigrateError, Migrator},
};
use tracing::warn;

use super::{
    error::OrderStoreError,
    migrations,
    statements::{POSTGRES, SQLITE, Statements},
};
use crate::database_url::{DatabaseKind, DatabaseUrl};

pub(super) type Connection = sqlx::AnyConnection;

/// One writer, since SQLite has one; more on PostgreSQL, for releases and provisioning beside order creation.
const POSTGRES_CONNECTIONS: u32 = 8;
/// Readers do not wait for the writer in WAL mode.
const SQLITE_READERS: u32 = 4;
/// The time for getting a connection, a new one included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A transaction takes milliseconds; one that takes this long waits for a dead connection.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(20);
/// Attempts of a transaction under contention.
const MAX_ATTEMPTS: u32 = 8;
/// The delays between them: 5 to 10 ms at first.
const CONTENTION_BACKOFF: Backoff =
    Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(640), jitter: 0.5 };
/// The time for reaching a database that is starting, and the interval between attempts.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Runs on every SQLite connection. WAL lets readers and the writer work in parallel; FULL keeps an answered
/// order through a power cut; the busy timeout waits for a second process that writes to the same file.
const SQLITE_SESSION: &str = "
    PRAGMA busy_timeout = 2000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;";
/// Runs on every PostgreSQL connection: the server times out before this side does, and does not wait forever
/// for a lock whose holder has vanished.
const POSTGRES_SESSION: &str = "
    SET lock_timeout = '5s';
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '20s';";

/// A unit of work in one transaction. It may run several times, and only the last run counts.
pub(super) trait UnitOfWork: Sync {
    /// The result of the work.
    type Output: Send;

    /// Runs on a connection with an open transaction.
    fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> impl Future<Output = Result<RunResult<Self::Output>, OrderStoreError>> + Send;
}

/// The result of one run.
pub(super) enum RunResult<T> {
    /// Commit; this is the output.
    Commit(T),
    /// Another writer was first: roll back and run again.
    Retry,
}

/// The pools of one database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database {
    kind: DatabaseKind,
    writer: AnyPool,
    reader: AnyPool,
}

impl Database {
    /// Connects and migrates the schema. Waits for a database that is starting.
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, OrderStoreError> {
        sqlx::any::install_default_drivers();
        let deadline = Instant::now() + OPEN_TIMEOUT;
        loop {
            match Self::try_open(url).await {
                Ok(database) => return Ok(database),
                Err(error) if Instant::now() < deadline && is_transient(url.kind(), &error) => {
                    warn!(database = %url, %error, "order database unavailable; retrying");
                    tokio::time::sleep(OPEN_RETRY_INTERVAL).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_open(url: &DatabaseUrl) -> Result<Self, OrderStoreError> {
        let options = AnyConnectOptions::from_str(&url.for_connecting())?;
        let kind = url.kind();
        let database = match kind {
            // A memory database exists as long as its one connection, which therefore never expires.
            DatabaseKind::Memory => {
                let pool = pool(kind, 1).idle_timeout(None).max_lifetime(None).connect_with(options).await?;
                Self { kind, reader: pool.clone(), writer: pool }
            }
            DatabaseKind::SqliteFile => Self {
                kind,
                writer: pool(kind, 1).connect_with(options.clone()).await?,
                reader: pool(kind, SQLITE_READERS).connect_with(options).await?,
            },
            DatabaseKind::Postgres => {
                let pool = pool(kind, POSTGRES_CONNECTIONS).connect_with(options).await?;
                check_encoding(&pool).await?;
                Self { kind, reader: pool.clone(), writer: pool }
            }
        };
        database.migrations().run(&database.writer).await?;
        Ok(database)
    }

    /// The SQL of this kind of database.
    pub(super) fn statements(&self) -> &'static Statements {
        match self.kind {
            DatabaseKind::Memory | DatabaseKind::SqliteFile => &SQLITE,
            DatabaseKind::Postgres => &POSTGRES,
        }
    }

    /// The pool for queries that change nothing.
    pub(super) fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// Runs `work` in a transaction and commits it. Retries after contention.
    pub(super) async fn transact<W: UnitOfWork>(&self, work: &W) -> Result<W::Output, OrderStoreError> {
        for attempt in 1..MAX_ATTEMPTS {
            match self.run_once(work).await {
                Ok(RunResult::Commit(output)) => return Ok(output),
                Ok(RunResult::Retry) => {}
                Err(OrderStoreError::Database(error)) if is_contention(self.kind, &error) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(CONTENTION_BACKOFF.delay(attempt)).await;
        }
        match self.run_once(work).await? {
            RunResult::Commit(output) => Ok(output),
            RunResult::Retry => Err(OrderStoreError::Contended { attempts: MAX_ATTEMPTS }),
        }
    }

    async fn run_once<W: UnitOfWork>(&self, work: &W) -> Result<RunResult<W::Output>, OrderStoreError> {
        let run = async {
            let mut transaction = self.writer.begin_with(self.statements().begin).await?;
            let run = work.run(&mut transaction, self.statements()).await?;
            match run {
                RunResult::Commit(_) => transaction.commit().await?,
                RunResult::Retry => transaction.rollback().await?,
            }
            Ok(run)
        };
        tokio::time::timeout(TRANSACTION_TIMEOUT, run)
            .await
            .unwrap_or(Err(OrderStoreError::TimedOut { limit: TRANSACTION_TIMEOUT }))
    }

    /// Closes all connections; further calls fail.
    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }

    fn migrations(&self) -> &'static Migrator {
        match self.kind {
            DatabaseKind::Memory | DatabaseKind::SqliteFile => &migrations::SQLITE,
            DatabaseKind::Postgres => &migrations::POSTGRES,
        }
    }
}

/// A buyer id or an order id may contain any character.
async fn check_encoding(pool: &AnyPool) -> Result<(), OrderStoreError> {
    let encoding: String =
        sqlx::query_scalar("SELECT current_setting('server_encoding')").fetch_one(pool).await?;
    if encoding == "UTF8" { Ok(()) } else { Err(OrderStoreError::Encoding(encoding)) }
}

fn pool(kind: DatabaseKind, connections: u32) -> AnyPoolOptions {
    let session = match kind {
        DatabaseKind::Memory | DatabaseKind::SqliteFile => SQLITE_SESSION,
        DatabaseKind::Postgres => POSTGRES_SESSION,
    };
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A server may have closed the connection; a file cannot.
        .test_before_acquire(kind == DatabaseKind::Postgres)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(session)).await?;
                Ok(())
            })
        })
}

/// Whether the same transaction can succeed if it is run again.
fn is_contention(kind: DatabaseKind, error: &sqlx::Error) -> bool {
    let Some(code) = code(error) else { return false };
    match kind {
        // SQLITE_BUSY and SQLITE_LOCKED; the higher bits hold the extended code.
        DatabaseKind::Memory | DatabaseKind::SqliteFile => {
            code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
        }
        // Serialization failure, deadlock, lock not available.
        DatabaseKind::Postgres => matches!(&*code, "40001" | "40P01" | "55P03"),
    }
}

/// Whether the error can come from a database that is starting, or that another replica is migrating.
fn is_transient(kind: DatabaseKind, error: &OrderStoreError) -> bool {
    match error {
        // Two replicas on SQLite create the same tables, and one of them fails.
        OrderStoreError::Migration(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => true,
        OrderStoreError::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => {
            kind == DatabaseKind::Postgres
        }
        OrderStoreError::Database(error) => {
            // PostgreSQL is starting or stopping.
            let starting = code(error).is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "57P03"));
            starting || is_contention(kind, error)
        }
        OrderStoreError::Migration(_)
        | OrderStoreError::Encoding(_)
        | OrderStoreError::Contended { .. }
        | OrderStoreError::TimedOut { .. }
        | OrderStoreError::TooLarge { .. }
        | OrderStoreError::Inconsistent(_) => false,
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
