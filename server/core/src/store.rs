//! The store ports: everything that Inrush needs of a store.
//!
//! There are three ports, by who needs them: [`QueueStore`] (fronts), [`WorkStore`] (fulfilment) and [`AdminStore`]
//! (operators). [`StoreHandle`] is what they have in common, and [`Store`] is all of them.
//!
//! Every operation is a batch on one sale, carried out in the order given as one atomic step. It may be repeated after
//! [`StoreError::Unavailable`]: a repeat finds what the first run left behind and changes nothing twice. The exception is
//! a claim: if its reply is lost, its entries stay leased until the lease expires.
//!
//! The memory store is the executable specification; one conformance suite checks every store against it.

use std::sync::Arc;

use async_trait::async_trait;

mod admin_store;
pub mod decorator;
mod durability;
mod error;
mod handle;
mod queue_store;
mod work_store;

pub use self::{
    admin_store::{AdminStore, ConfigureResult, DeadLetter, DeleteResult, Precondition},
    durability::Durability,
    error::{StoreError, WriteRefusal},
    handle::{StoreEvent, StoreHandle},
    queue_store::{
        Admission, AdmitReply, AdmitRequest, CancelResult, Gate, LookUpReply, MAX_ADMITTED_BUYERS,
        QueueStore, Refusal, ReleaseResult,
    },
    work_store::{
        Backlog, Claim, ClaimRequest, Finding, KnownOrder, LeaseToken, MAX_TEXT, Outcome, Recovery,
        SettleResult, Settlement, WorkStore,
    },
};

/// The ports' methods, for code that calls a store by its own type: `use inrush_core::store::prelude::*`.
pub mod prelude {
    pub use super::{AdminStore as _, QueueStore as _, Store as _, StoreHandle as _, WorkStore as _};
}

/// Upper bound on the operations in one call. It bounds how long a script can run.
pub const MAX_BATCH: usize = 256;

/// Rejects a batch that is too large.
///
/// # Errors
/// [`StoreError::Unsuitable`] above [`MAX_BATCH`].
pub fn check_batch_size(operations: usize) -> Result<(), StoreError> {
    if operations <= MAX_BATCH {
        return Ok(());
    }
    Err(StoreError::Unsuitable(format!(
        "batch of {operations} operations exceeds the limit of {MAX_BATCH}; split it"
    )))
}

/// All three ports, as one object that a process is wired with.
#[async_trait]
pub trait Store: QueueStore + WorkStore + AdminStore {
    /// A handle on the same data with connections of its own, for a part of the process that must not wait behind
    /// the commands of others.
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError>;
}
