//! What the order system has answered, recorded in the store; and entries that are sent again.

pub(crate) mod answer;
pub(crate) mod requeuer;
pub(crate) mod settle_span;
pub(crate) mod settler;
