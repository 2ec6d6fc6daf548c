//! Simulates flash sales and checks them.
//!
//! [`sale`] runs a whole sale against a front: buyers arrive, enqueue, wait, cancel or never pay, and at the end every
//! answer is checked. [`compare`] sends the same rush directly to an order system and through Inrush. Both share the
//! [`arrivals`], the [`order_system`], and the calls in [`rpc`].

pub mod arrivals;
pub mod buyer;
pub mod compare;
pub mod history;
pub mod host;
pub mod inrush_process;
pub mod nearest;
pub mod order_source;
pub mod order_system;
pub mod rpc;
pub mod sale;
pub mod sale_client;
pub mod seeded_random;
pub mod threads;

pub use inrush_transport::Error;
