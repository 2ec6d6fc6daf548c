//! The way from a call to the store: batching, the operations that are batched, the sold-out gate.

pub(crate) mod batcher;
pub(crate) mod enqueue_span;
pub(crate) mod gate;
pub(crate) mod operations;
