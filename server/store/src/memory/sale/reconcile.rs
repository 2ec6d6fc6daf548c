//! Comparing orders of the order system with their tickets, and settling tickets whose outcome was forgotten.

use std::collections::HashSet;

use inrush_core::{
    epochs::{Place, TicketRef},
    ledger::Count,
    store::{Finding, KnownOrder},
    ticket::{Seq, TicketState},
};

use super::{super::claimed::Stage, Concluded, End, Sale, settle::truncate};

impl Sale {
    pub(in super::super) fn reconcile(&mut self, orders: &[KnownOrder], repair: bool) -> Vec<Finding> {
        let (mut seen, mut cancelled) = (HashSet::new(), self.ledger.cancelled);
        let findings: Vec<(Finding, &KnownOrder)> = orders
            .iter()
            .map(|order| {
                let is_first = seen.insert(order.ticket);
                (if is_first { self.find(order, &mut cancelled) } else { Finding::Repeated }, order)
            })
            .collect();
        let mut settled = false;
        for &(finding, order) in &findings {
            if let Finding::Settled { was } = finding
                && repair
            {
                self.settle_forgotten(order, was);
                settled = true;
            }
        }
        self.announcements.work |= settled && self.queued() > 0;
        findings.into_iter().map(|(finding, _)| finding).collect()
    }

    /// The outcome of a ticket that the store has forgotten entirely and knows from the order system.
    pub(super) fn adopted_outcome(&self, ticket: TicketRef) -> Option<&Concluded> {
        self.adopted.get(&ticket)
    }

    /// `cancelled` are the cancelled tickets that no earlier order of the batch is for.
    fn find(&self, order: &KnownOrder, cancelled: &mut Count) -> Finding {
        let seq = order.ticket.seq;
        match self.place_of(order.ticket) {
            Place::Foreign => return Finding::Foreign,
            Place::Ahead => return Finding::Ahead,
            Place::Lost => {
                let lost = Finding::Settled { was: TicketState::Lost };
                return self.adopted.get(&order.ticket).map_or(lost, |known| compare(known, order));
            }
            Place::Known => {}
        }
        if let Some(known) = self.outcomes.get(&seq) {
            let found = compare(known, order);
            let was_rejected = found == Finding::Settled { was: TicketState::Rejected };
            return if was_rejected && !self.had_ticket(order) { Finding::OtherBuyer } else { found };
        }
        if self.queue.is_cancelled(seq) {
            return self.find_cancelled(order, cancelled);
        }
        let (entry, was) = if let Some(entry) = self.queue.entry(seq) {
            (entry, if self.closed { TicketState::Expired } else { TicketState::Waiting })
        } else {
            match self.claimed.get(seq) {
                Some(ticket) => match ticket.stage {
                    Stage::Leased { .. } => return Finding::Pending,
                    Stage::Retrying { .. } => (&ticket.entry, TicketState::Waiting),
                    Stage::Dead { .. } => (&ticket.entry, TicketState::Dead),
                },
                None => return Finding::Unreadable,
            }
        };
        if entry.buyer != order.buyer || entry.units != order.units {
            return Finding::OtherBuyer;
        }
        if seq > self.queue.cursor() && !self.has_risen() {
            return if self.closed { Finding::EndedHere } else { Finding::Pending };
        }
        Finding::Settled { was }
    }

    /// A cancelled ticket has neither buyer nor units left: the order must be a buyer's who had it, and the ledger must
    /// have its units. Without a rise of the epoch, claims and positions count on the cancelled seqs of the ledger.
    fn find_cancelled(&self, order: &KnownOrder, cancelled: &mut Count) -> Finding {
        if !self.has_risen() {
            return Finding::EndedHere;
        }
        if !self.had_ticket(order) || !cancelled.may_contain(order.units) {
            return Finding::OtherBuyer;
        }
        cancelled.take(order.units);
        Finding::Settled { was: TicketState::Cancelled }
    }

    /// Whether the order's buyer has the order's ticket, or has had it: a later one has taken its place then.
    fn had_ticket(&self, KnownOrder { buyer, ticket, .. }: &KnownOrder) -> bool {
        self.buyers.get(buyer).is_some_and(|&latest| latest >= ticket.seq)
    }

    fn has_risen(&self) -> bool {
        !self.epochs.past().is_empty()
    }

    /// Gives a ticket the state of its order. It has been found in the state `was`.
    fn settle_forgotten(&mut self, order: &KnownOrder, was: TicketState) {
        let (seq, units) = (order.ticket.seq, order.units);
        self.take_from(seq, units, was);
        let order_id = truncate(&order.order_id).to_owned();
        let (part, end) = if order.released {
            (&mut self.ledger.released, End::Released { order_id })
        } else {
            (&mut self.ledger.ordered, End::Ordered { order_id })
        };
        part.add(units);
        let concluded = Concluded { units, end };
        if was == TicketState::Lost || self.adopted.contains_key(&order.ticket) {
            self.adopted.insert(order.ticket, concluded);
        } else {
            self.outcomes.insert(seq, concluded);
        }
        if was == TicketState::Lost {
            self.adopt_buyer(order);
        }
        self.reconciled.add(units);
    }

    /// Takes a ticket from where it is.
    fn take_from(&mut self, seq: Seq, units: u64, was: TicketState) {
        let is_retrying = was == TicketState::Waiting && seq <= self.queue.cursor();
        match was {
            TicketState::Waiting | TicketState::Dead if self.claimed.take(seq).is_some() => {}
            TicketState::Waiting | TicketState::Expired => {
                self.queue.cancel(seq);
                self.settled_in_queue += 1;
            }
            TicketState::Cancelled => self.settled_in_queue += 1,
            _ => {}
        }
        if is_retrying {
            self.ledger.retrying.take(units);
        }
        match was {
            TicketState::Waiting => self.ledger.waiting.take(units),
            TicketState::Dead => self.ledger.dead.take(units),
            TicketState::Expired => self.ledger.expired.take(units),
            TicketState::Cancelled => self.ledger.cancelled.take(units),
            TicketState::Rejected => self.ledger.rejected.take(units),
            TicketState::Ordered => self.ledger.ordered.take(units),
            _ => {}
        }
    }

    /// Counts a ticket that the store has forgotten entirely as admitted. It is its buyer's, unless the buyer has a
    /// later one, or its seq is another ticket's.
    fn adopt_buyer(&mut self, KnownOrder { ticket, buyer, units, .. }: &KnownOrder) {
        let latest = self.buyers.get(buyer).copied().unwrap_or_default();
        if self.owns(*ticket) && latest < ticket.seq {
            self.buyers.insert(buyer.clone(), ticket.seq);
        }
        self.admitted.push(buyer.hash32());
        self.ledger.admitted.add(*units);
    }
}

/// An order beside the outcome that the store has for its ticket.
fn compare(known: &Concluded, order: &KnownOrder) -> Finding {
    let order_id = match &known.end {
        End::Ordered { order_id } | End::Released { order_id } => Some(order_id.as_str()),
        End::Rejected { .. } => None,
    };
    if known.units != order.units {
        return Finding::OtherBuyer;
    }
    if order_id.is_some_and(|order_id| order_id != truncate(&order.order_id)) {
        return Finding::OtherOrder;
    }
    match (&known.end, order.released) {
        (End::Ordered { .. }, true) => Finding::Settled { was: TicketState::Ordered },
        (End::Rejected { .. }, false) => Finding::Settled { was: TicketState::Rejected },
        (End::Released { .. }, false) => Finding::ReleasedOnlyHere,
        (End::Ordered { .. }, false) | (End::Released { .. } | End::Rejected { .. }, true) => Finding::Same,
    }
}
