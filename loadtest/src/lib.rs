//! The load tool of Inrush: any gRPC method as a load, with ghz's flags; and the flash sale as a load, with a verdict.
//!
//! In reading order: [`cli`] turns flags into the plan of a [`call`], [`target`] finds the method, [`message`] makes the
//! requests, [`schedule`] says when they are due, [`engine`] sends them over [`transport`] and [`measure`]s them,
//! [`report`] and [`live`] show the result. [`agents`] lets several
//! machines do it together; [`diff`] and [`threshold`] judge.

pub mod agents;
pub mod call;
pub mod cli;
pub mod diff;
pub mod engine;
pub mod go_duration;
pub mod live;
pub mod message;
pub mod schedule;
pub mod target;
mod text_value;
pub mod threshold;

pub use inrush_report::{self as report, measure};
pub use inrush_simulation::nearest;
pub use inrush_transport::{self as transport, error};
