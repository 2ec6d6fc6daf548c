//! Orders whose tickets are ahead of the store: the store has gone back behind them, and nothing else shows that. Before a
//! repair the epoch rises, and the orders are compared again.

use inrush_core::{
    epochs::{TicketRef, can_be_ahead},
    store::{Finding, KnownOrder},
    ticket::Seq,
    time::Timestamp,
};

/// The findings of a store that knows of `last_seq`: a ticket that no server can have given is foreign, and not ahead.
pub(crate) fn judge(
    orders: &[KnownOrder],
    mut findings: Vec<Finding>,
    last_seq: Seq,
    now: Timestamp,
) -> Vec<Finding> {
    for (order, finding) in orders.iter().zip(&mut findings) {
        if *finding == Finding::Ahead && !can_be_ahead(order.ticket, last_seq, now) {
            *finding = Finding::Foreign;
        }
    }
    findings
}

/// The latest ticket that is ahead.
pub(crate) fn latest(orders: &[KnownOrder], findings: &[Finding]) -> Option<TicketRef> {
    let ahead = orders.iter().zip(findings).filter(|&(_, &finding)| finding == Finding::Ahead);
    ahead.map(|(order, _)| order.ticket).max()
}

/// The findings after the epoch has risen; those that were settled before it rose stay what they were.
pub(crate) fn repeated(first: Vec<Finding>, again: Vec<Finding>) -> Vec<Finding> {
    let pairs = first.into_iter().zip(again);
    pairs.map(|(first, again)| if matches!(first, Finding::Settled { .. }) { first } else { again }).collect()
}
