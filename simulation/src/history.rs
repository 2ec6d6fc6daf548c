//! The history of one sale, as its callers, its order system and its workers saw it, and the one check of it.
//!
//! A test records a [`History`] while it runs faults, and [`check`] names every [`Violation`]. Times are nanoseconds of one
//! monotonic clock. The recorder must be sure of two things only: a call had not begun before its `start`, and its
//! reply was complete at its `end`. A call whose result is unknown may have happened at any time since its start, also
//! after its end.
//!
//! A sale that is deleted and created again under its name is another sale, with a history of its own.

use self::{findings::Findings, index::Index};

pub use self::{
    model::{
        Answer, Call, Count, Delivery, Fault, History, Level, Loss, Nanos, Order, Outcome, Reading, Request,
        SaleFacts, State, Step, TicketName, Work,
    },
    page::page,
    rule::{Rule, Violation},
};

mod buyers;
mod findings;
mod index;
mod ledger;
mod model;
mod order;
mod orders;
mod page;
mod places;
mod positions;
mod rest;
mod rule;
mod states;
mod work;

/// Every rule that the history breaks, in the order of [`Rule::ALL`].
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let (index, mut found) = (Index::new(history), Findings::default());
    ledger::check(history, &mut found);
    places::check(&index, &mut found);
    buyers::check(&index, &mut found);
    order::check(&index, &mut found);
    positions::check(&index, &mut found);
    states::check(&index, &mut found);
    orders::check(&index, &mut found);
    work::check(&index, &mut found);
    rest::check(&index, &mut found);
    found.into_violations()
}
