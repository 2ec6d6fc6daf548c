//! The service commands: how services are wired, the order in which they stop, and their startup banner.

mod admin;
mod embedded;
mod front;
mod fulfilment;
mod keys;
mod orders;
mod services;
mod startup_banner;
mod store;
mod store_failures;
mod store_memory;
mod store_metrics;
mod store_spans;
mod up;

#[cfg(test)]
pub(crate) use self::store_metrics::METRICS as STORE_METRICS;
pub(crate) use self::{
    embedded::Embedded, front::run as front, fulfilment::run as fulfilment, orders::run as orders,
    store::open as open_store, up::run as up,
};
