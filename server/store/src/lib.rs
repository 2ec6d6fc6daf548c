//! The stores that implement the ports of [`inrush_core::store`], and what can be put around any store.
//!
//! [`redis`] is the real one; [`memory`] is plain Rust and the executable specification. `conformance` (a feature)
//! is the suite that both pass and that any other store can run.

mod ahead;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fault_injection;
pub mod instrumented;
pub mod memory;
pub mod redis;
