//! The error of a worker.

use inrush_core::StoreError;
use inrush_runtime::tasks::FailedTask;

use crate::settings::InvalidSetting;

/// Why fulfilment ended without a complete drain.
#[derive(Debug, thiserror::Error)]
pub enum FulfilmentError {
    /// A setting is invalid.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of the worker failed: a defect.
    #[error(transparent)]
    Task(#[from] FailedTask),
    /// The store was unavailable to the end. The leases expire, and the order system gets the tickets again.
    #[error("{outcomes} outcomes were not recorded before shutdown; the store is unavailable")]
    Unrecorded {
        /// The number of outcomes.
        outcomes: usize,
    },
}
