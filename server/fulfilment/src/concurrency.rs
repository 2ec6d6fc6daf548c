//! The limit on entries that are with the order system at the same time.
//!
//! Every order system has a knee. Up to it, more concurrent entries bring more orders in the same time; beyond
//! it they only queue inside the order system, or slow it down. The knee moves during the day, so the limit
//! is found by trying, between a minimum and a maximum that the operator sets.
//!
//! A try is judged by the latency gradient: if a few more concurrent entries make each take longer in the same
//! proportion, nothing was gained. TCP Vegas (Brakmo and Peterson, 1995) and the `Gradient2Limit` of
//! Netflix's concurrency-limits compare the latency with a stored baseline. That does not fit here, for
//! two reasons. A flash sale never pauses, so a baseline that follows the latency (`Gradient2Limit`) drifts
//! to the maximum. And an order system that writes what it has in one transaction takes longer the more it
//! has while it creates more orders, which looks like a queue to a limit that stores the shortest latency
//! (Vegas). So the limit compares only the last round with one after a small step, and keeps the better of
//! the two: a pattern search (Hooke and Jeeves, 1961), in [`search`], over rounds of answers that are scored
//! in [`round`] by Kleinrock's power with more weight on the rate (1979).
//!
//! It is a plain data structure that is given events and their times.

mod limit;
mod round;
mod search;
#[cfg(test)]
mod simulation_tests;

pub(crate) use self::{
    limit::ConcurrencyLimit,
    round::{AnswerKind, Sent},
};
