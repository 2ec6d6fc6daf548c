//! Between the calls and the store: batching, the operations that are batched, the sold-out gate.

pub(crate) mod admit;
pub(crate) mod batcher;
pub(crate) mod gate;
pub(crate) mod operations;
