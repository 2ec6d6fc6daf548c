//! Why a worker can fail.

use inrush_core::StoreError;
use inrush_runtime::tasks::FailedTask;

use crate::settings::InvalidSetting;

/// Why fulfilment ended other than by a complete drain.
#[derive(Debug, thiserror::Error)]
pub enum FulfilmentError {
    /// A setting breaks its rule.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of the worker failed: a defect.
    #[error(transparent)]
    Task(#[from] FailedTask),
    /// The store was away to the end. The tickets' leases end, and the order system is asked for them again.
    #[error(
        "{outcomes} outcomes could not be recorded before the end, because the store is away: check the store"
    )]
    Unrecorded {
        /// How many.
        outcomes: usize,
    },
}
