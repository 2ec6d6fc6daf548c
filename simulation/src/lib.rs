//! Flash sales, simulated and judged.
//!
//! [`sale`] plays a whole sale against a front: buyers arrive, ask, wait, cancel or never pay, and in the end every answer
//! is checked. [`compare`] plays the same rush straight at an order system and through Inrush. Both share the [`arrivals`],
//! the [`order_system`], and the calls in [`rpc`].

pub mod arrivals;
pub mod buyer;
pub mod compare;
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
