//! The gRPC services of a front and what they are made of.

pub(crate) mod convert;
pub(crate) mod health;
mod orders;
pub(crate) mod queue_service;
pub(crate) mod sale_admin_service;
pub(crate) mod settlement_service;
pub(crate) mod update_mask;
pub(crate) mod watch;
