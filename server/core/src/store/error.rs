//! How an operation of a store fails.

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
    /// The store answers, but its configuration does not fit; the text has the remedy.
    #[error("the store cannot be used: {0}")]
    Unsuitable(String),
    /// The store holds data that Inrush did not write: a defect, or a foreign key.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The names of all kinds of errors in metrics.
    pub const KINDS: [&str; 4] = ["sale_not_found", "unavailable", "unsuitable", "corrupt"];

    /// Its name in metrics; the meaning of a name never changes.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        let [sale_not_found, unavailable, unsuitable, corrupt] = Self::KINDS;
        match self {
            Self::SaleNotFound(_) => sale_not_found,
            Self::Unavailable(_) => unavailable,
            Self::Unsuitable(_) => unsuitable,
            Self::Corrupt(_) => corrupt,
        }
    }
}
