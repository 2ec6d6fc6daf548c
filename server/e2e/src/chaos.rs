//! Runs of a sale with faults.
//!
//! [`plan`] draws a run from a seed: the sale, its buyers and the [`fault`]s. [`run`] starts the processes
//! ([`world`]), lets the [`buyers`] come while the [`injector`] causes faults at points of the sale's progress, puts everything
//! right, waits until the sale has come to rest, and has the history checked by `inrush_simulation::history`.

pub mod buyers;
pub mod clock;
pub mod fault;
pub mod injector;
pub mod plan;
pub mod proxy;
pub mod recorder;
pub mod results;
pub mod run;
pub mod store;
pub mod unchanged;
pub mod world;
