//! The error of the order store.

use std::time::Duration;

/// Why an operation of the order store failed. Nothing was changed, except that after
/// [`Database`](Self::Database) and [`TimedOut`](Self::TimedOut) a transaction may have been committed: every
/// operation is safe to repeat.
#[derive(Debug, thiserror::Error)]
pub enum OrderStoreError {
    /// The database failed or is unavailable.
    #[error("order database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be migrated.
    #[error("migrating the order database failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Every attempt failed because of other writers.
    #[error("transaction lost to other writers {attempts} times; retry")]
    Contended {
        /// The number of attempts.
        attempts: u32,
    },
    /// The database did not answer in time.
    #[error("order database timed out after {}", humantime::format_duration(*.limit))]
    TimedOut {
        /// The timeout of a transaction.
        limit: Duration,
    },
    /// A number does not fit the database's 64-bit signed integers.
    #[error("{what} {value} exceeds the maximum of the order database, {}", i64::MAX)]
    TooLarge {
        /// What the number counts.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The tables contradict each other: something else has written to them.
    #[error("order database is inconsistent: {0}; check for changes made by hand")]
    Inconsistent(String),
}

impl OrderStoreError {
    /// The name of the kind of error, for `error.type`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Migration(_) => "migration",
            Self::Contended { .. } => "contended",
            Self::TimedOut { .. } => "timed_out",
            Self::TooLarge { .. } => "too_large",
            Self::Inconsistent(_) => "inconsistent",
        }
    }
}
