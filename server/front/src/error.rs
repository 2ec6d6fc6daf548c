//! Why a front node ends.

use inrush_core::StoreError;
use inrush_runtime::{per_core::PerCoreError, tls::TlsError};

use crate::settings::InvalidSetting;

/// Why a front node did not run, or did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] InvalidSetting),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store is unsuitable; the text has the remedy.
    #[error(transparent)]
    Store(StoreError),
    /// The listener is invalid.
    #[error("cannot use the listener")]
    Listener(#[source] std::io::Error),
    /// The published descriptors are inconsistent: a defect.
    #[error("cannot offer server reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A core failed.
    #[error(transparent)]
    Core(#[from] PerCoreError),
}
