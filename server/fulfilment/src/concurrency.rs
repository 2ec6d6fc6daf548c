//! How many entries may be with the order system at once: the one place that decides it.
//!
//! Every order system has a knee. Up to it, more entries at once bring more orders in the same time; beyond it they only
//! wait inside the order system, or slow it down. Where the knee is depends on the hour, so the limit is found by trying,
//! between a floor and the operator's ceiling.
//!
//! A try is judged by the latency gradient: if a few more entries at once make each take longer in the same proportion,
//! nothing was gained. TCP Vegas (Brakmo and Peterson, 1995) and the `Gradient2Limit` of Netflix's concurrency-limits
//! compare the latency with a baseline that they remember. That does not fit here, for two reasons. A flash sale never lets
//! up, so a baseline that follows the latency (`Gradient2Limit`) follows it up to the ceiling. And an order system that
//! writes what it has in one transaction takes longer the more it has, while it creates more orders, which looks like a
//! queue to one that remembers the shortest latency (Vegas). So the limit compares only what it has just seen with what it
//! sees after a small change, and keeps the better of the two: a pattern search (Hooke and Jeeves, 1961), in [`search`],
//! over rounds of answers that are scored in [`round`] by Kleinrock's power with more weight on the rate (1979).
//!
//! It is a plain data structure that is told what happens and when.

mod limit;
mod round;
mod search;
#[cfg(test)]
mod simulation_tests;

pub(crate) use self::{
    limit::ConcurrencyLimit,
    round::{Sent, Verdict},
};
