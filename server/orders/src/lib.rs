//! The reference order system behind `inrush.v1.OrderCreationService`: orders and their stock on SQLite or
//! PostgreSQL.
//!
//! It does what Inrush needs of an order system, and no more: it answers every ticket with exactly one order
//! or with the reason why there is none, never sells a unit twice, and returns the units of unpaid orders.
//! With injected latency, failures and unpaid orders it replaces a real one in trials and tests.
//!
//! The path of an entry: `stream` receives it; the one `batcher` takes what has arrived from the
//! `intake_queue`, as fast as the capacity allows, has the `order_store` create the orders in one
//! transaction, and sends the answers back on the stream. Entries of a sale that the order store does not
//! have wait for a `stock_lookup` at the front. The `releaser` releases unpaid orders.

mod batcher;
mod creation_time;
mod database_check;
mod database_url;
mod entry;
mod front_client;
mod intake_queue;
mod metrics;
mod order_list;
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
pub use metrics::{METRICS, register as register_metrics};
pub use order_store::{
    Movement, MovementKind, NewOrder, Order, OrderState, OrderStore, OrderStoreError, Outcome, Payment,
    Provisioned, SaleKey, SaleStock, StockLevel, TicketOwner, UnacknowledgedRelease,
};
pub use server::{OrderSystem, SERVICES, run};
pub use settings::OrderSettings;
pub use statistics::{Counts, Statistics};
