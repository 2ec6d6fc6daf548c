//! The reference order system behind `inrush.v1.OrderCreationService`: orders and their activity stock on SQLite or
//! PostgreSQL.
//!
//! It is what an order system has to be for Inrush, and no more: it answers every ticket with exactly one order or with
//! the reason why there is none, never sells a unit twice, and gives the units of unpaid orders back. Its knobs
//! (capacity, latency, failures, unpaid orders) make it a stand-in for a real one in trials and tests.
//!
//! The way of an entry: `stream` reads it and hands it to the one `batcher`, which takes what has arrived as fast as
//! the `intake` lets it, has the `store` create the orders in one transaction, and sends the answers back through the
//! stream. Entries whose sale the book does not know wait in the `stock_lookups` until the front has been asked. The
//! `releaser` works beside them.

mod batcher;
mod bucket;
mod database_url;
mod entry;
mod front_client;
mod intake_queue;
mod metrics;
mod order_store;
mod provision_stock;
mod releaser;
mod reply;
mod server;
mod settings;
mod spans;
mod statistics;
mod stock_lookup;
mod stream;

pub use database_url::DatabaseUrl;
pub use front_client::FrontUrl;
pub use metrics::{FAMILIES, register as register_metrics};
pub use order_store::{
    Movement, MovementKind, NewOrder, Order, OrderState, OrderStore, OrderStoreError, Outcome, Payment,
    Provisioned, SaleStock, StockLevel,
};
pub use server::{OrderSystem, SERVICES, run};
pub use settings::OrderSettings;
pub use statistics::{Counts, Statistics};
