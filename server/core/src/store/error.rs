//! How an operation of a store fails.

use std::fmt;

use crate::sale::SaleId;

/// How an operation of a store fails. Business outcomes are not among these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such sale.
    #[error("there is no sale {0}")]
    SaleNotFound(SaleId),
    /// The store does not answer. The operation may or may not have happened; it can be repeated.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store answers, but refuses to write: nothing happened. What only reads works. The operation can be repeated.
    #[error("{0}: {1}")]
    RefusesWrites(WriteRefusal, String),
    /// The store denies access, or a command to this user; the text has the remedy.
    #[error("the store denies access: {0}")]
    AccessDenied(String),
    /// The store answers, but its configuration does not fit; the text has the remedy.
    #[error("the store cannot be used: {0}")]
    Unsuitable(String),
    /// The store holds data that Inrush did not write: a defect, or a foreign key.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
}

/// Why a store refuses to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRefusal {
    /// Its memory is full.
    Full,
    /// Fewer replicas follow it than it needs for a write.
    TooFewReplicas,
    /// It cannot write to its disk.
    NotPersisting,
}

impl fmt::Display for WriteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the store is full",
            Self::TooFewReplicas => "the store has too few replicas",
            Self::NotPersisting => "the store cannot write to its disk",
        })
    }
}

impl StoreError {
    /// The names of all kinds of errors in metrics.
    pub const KINDS: [&str; 6] =
        ["sale_not_found", "unavailable", "refuses_writes", "access_denied", "unsuitable", "corrupt"];

    /// Whether the same operation may succeed later without a change of the settings of this process.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::RefusesWrites(..))
    }

    /// Its name in metrics; the meaning of a name never changes.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        let [sale_not_found, unavailable, refuses_writes, access_denied, unsuitable, corrupt] = Self::KINDS;
        match self {
            Self::SaleNotFound(_) => sale_not_found,
            Self::Unavailable(_) => unavailable,
            Self::RefusesWrites(..) => refuses_writes,
            Self::AccessDenied(_) => access_denied,
            Self::Unsuitable(_) => unsuitable,
            Self::Corrupt(_) => corrupt,
        }
    }
}
