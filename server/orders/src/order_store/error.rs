//! The error of the order store.

use std::time::Duration;

/// The length of an SQLSTATE; SQLite's codes are shorter.
const POSTGRES_CODE_LEN: usize = 5;

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
    /// The database cannot store every text.
    #[error(
        "the encoding of the order database is {0}, and must be UTF8: create a database with `CREATE DATABASE … ENCODING \
         'UTF8' TEMPLATE template0` and use that one"
    )]
    Encoding(String),
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
    /// Whether the data of one order can be the cause, so that the others succeed without it.
    pub(crate) fn is_of_data(&self) -> bool {
        match self {
            Self::TooLarge { .. } => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                if code.len() == POSTGRES_CODE_LEN {
                    // Data exception, integrity constraint violation.
                    code.starts_with("22") || code.starts_with("23")
                } else {
                    // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH; the higher bits hold the extended code.
                    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
                }
            }),
            _ => false,
        }
    }

    /// The name of the kind of error, for `error.type`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Migration(_) => "migration",
            Self::Encoding(_) => "encoding",
            Self::Contended { .. } => "contended",
            Self::TimedOut { .. } => "timed_out",
            Self::TooLarge { .. } => "too_large",
            Self::Inconsistent(_) => "inconsistent",
        }
    }
}
