//! The load tool of Inrush: any gRPC method as a load, with ghz's flags; and the flash sale as a load, with checks.
//!
//! In reading order: [`cli`] turns flags into the plan of a [`call`], [`target`] finds the method, [`message`] makes the
//! requests, [`schedule`] plans when they are due, and [`engine`] sends them over [`inrush_transport`] and measures them.
//! [`live`] shows a run in progress, and [`inrush_report`] writes its report. [`agents`] run one load from several
//! machines. [`diff`] compares two reports, and [`threshold`] sets the exit code.

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
