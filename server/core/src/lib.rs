//! The heart of Inrush: what a sale, a ticket and a line are, and the port through which they are kept.
//!
//! Nothing here knows how a request arrives or an order is made, nor what implements the port ([`store::Store`]): no
//! gRPC, no command line, no database.

pub mod admission;
pub mod entry;
pub mod keyring;
pub mod ledger;
pub mod poll_policy;
pub mod sale;
pub mod store;
pub mod ticket;
pub mod time;
mod varint;

pub use entry::Entry;
pub use keyring::Keyring;
pub use ledger::{Count, Ledger};
pub use sale::{BuyerId, Pace, Route, SaleId, SaleSettings, SaleSnapshot, SaleState};
pub use store::{AdminStore, Durability, QueueStore, Store, StoreError, StoreHandle, WorkStore};
pub use ticket::{Seq, TicketId, TicketState, TicketStatus};
pub use time::Timestamp;
