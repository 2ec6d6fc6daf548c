//! What can go wrong between the order book and its database.

use std::time::Duration;

/// Why the order book could not do what it was asked. Nothing was changed, except that after
/// [`Database`](Self::Database) and [`TimedOut`](Self::TimedOut) a transaction may have been committed all the same:
/// every operation is safe to repeat.
#[derive(Debug, thiserror::Error)]
pub enum OrderStoreError {
    /// The database failed or could not be reached.
    #[error("the order database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the order database's schema could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Other writers were in the way every time.
    #[error("other writers were in the way {attempts} times; try again")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The database did not answer in time.
    #[error("the order database did not finish a transaction within {}", humantime::format_duration(*.limit))]
    TimedOut {
        /// How long a transaction may take.
        limit: Duration,
    },
    /// A number does not fit the database's 64-bit signed integers.
    #[error("{what} of {value} is more than the order database can hold ({})", i64::MAX)]
    TooLarge {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The tables contradict each other: somebody else has written to them.
    #[error("the order database's tables contradict each other: {0}; was one of them changed by hand?")]
    Inconsistent(String),
}

impl OrderStoreError {
    /// A name for the kind of error, the same for all of its kind.
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
