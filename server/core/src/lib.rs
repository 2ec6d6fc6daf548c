//! The domain: sales, tickets, queues and ledgers, and the ports of the store that holds them.
//!
//! It does not depend on how requests arrive, how orders are made, or what implements the ports ([`store`]): no gRPC, no
//! command line, no database.

pub mod admission;
pub mod entry;
pub mod epochs;
pub mod keyring;
pub mod ledger;
pub mod poll_policy;
pub mod sale;
pub mod store;
pub mod ticket;
pub mod time;
mod varint;

pub use entry::Entry;
pub use epochs::{Epochs, TicketRef};
pub use keyring::Keyring;
pub use ledger::{Count, Ledger};
pub use sale::{BuyerId, Pace, Route, SaleId, SaleSettings, SaleSnapshot, SaleState};
pub use store::{AdminStore, Durability, QueueStore, Store, StoreError, StoreHandle, WorkStore};
pub use ticket::{Seq, TicketId, TicketState, TicketStatus};
pub use time::Timestamp;
