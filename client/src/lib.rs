//! What a caller of Inrush imports.
//!
//! A [`Client`] enqueues buyers, polls and watches the status of their tickets, and cancels them. Business
//! outcomes (queued, refused, bypass; cancelled, too late) are values; a [`CallError`] means that there was
//! no answer or that the request was invalid. Every call is safe to repeat, and the client retries transient
//! failures within the bounds of its [`RetryPolicy`].
//!
//! ```no_run
//! use futures_util::StreamExt as _;
//! use inrush_client::{Client, ClientSettings, Enqueued};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientSettings::new("http://127.0.0.1:50051")).await?;
//!
//! match client.enqueue("shoes", "buyer-42", 1, "size 43").await? {
//!     Enqueued::Queued { ticket, status, .. } => {
//!         println!("in line at {:?}", status.position);
//!         let mut statuses = client.follow_from(&ticket, &status);
//!         while let Some(status) = statuses.next().await {
//!             let status = status?;
//!             println!("{} at {:?}, ready in {:?}", status.state.as_str(), status.position, status.eta);
//!         }
//!     }
//!     Enqueued::Refused(refusal) => println!("not in line: {}", refusal.reason.as_str()),
//!     Enqueued::Bypass => println!("no line today: use the normal purchase flow"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::follow`] polls at the interval that the server asks for and suits many tickets;
//! [`Client::watch`] receives pushed updates and suits one screen. Neither shows a buyer a worse position
//! than before within an epoch. `examples/bff` is a small backend for a phone that uses all of this.

mod admin;
mod client;
mod follow;
mod queue;
mod settlement;
mod watch;

mod monotonic_position;
mod outcome;
mod status;
mod ticket;

mod connect_error;
mod error;
mod error_chain;
mod settings;
mod tls;
mod token;

mod attempt;
mod connection_pool;
mod grpc_clients;
mod metadata;
mod pages;
mod restore;
mod retry;
mod retry_budget;
mod retry_policy;
mod round_robin;

pub use inrush_proto::v1 as proto;
pub use tonic::Code;

pub use crate::{
    admin::Admin,
    client::Client,
    connect_error::ConnectError,
    error::{CallError, Ended, Failure, FieldViolation},
    follow::Follow,
    outcome::{Cancellation, Enqueued, Refusal, RefusalReason, TicketError},
    retry_policy::RetryPolicy,
    settings::ClientSettings,
    settlement::{Released, Settlement},
    status::{Durability, TicketState, TicketStatus},
    ticket::Ticket,
    tls::TlsSettings,
    watch::Watch,
};
