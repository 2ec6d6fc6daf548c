//! The history by ticket and by buyer.

use std::collections::BTreeMap;

use super::model::{
    Answer, Call, Delivery, History, Level, Nanos, Order, Outcome, Request, State, TicketName, Work,
};

/// The history by ticket and by buyer, and what losses explain.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    /// What was seen of each ticket, in the order of the ends of the calls.
    pub(super) seen: BTreeMap<TicketName, Vec<Seen<'a>>>,
    /// The Enqueue calls of each buyer that may have had an effect, by their starts.
    pub(super) enqueues: BTreeMap<&'a str, Vec<&'a Call>>,
    pub(super) deliveries: BTreeMap<TicketName, Vec<&'a Delivery>>,
    pub(super) orders: BTreeMap<TicketName, Vec<&'a Order>>,
    pub(super) work: BTreeMap<TicketName, Vec<&'a Work>>,
}

/// An answer about a ticket with its call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) call: &'a Call,
    pub(super) answer: &'a Answer,
}

impl Seen<'_> {
    pub(super) fn is_enqueue(&self) -> bool {
        matches!(self.call.request, Request::Enqueue { .. })
    }

    /// For texts: who got which answer, when.
    pub(super) fn text(&self) -> String {
        let Call { buyer, start, end, .. } = self.call;
        let verb = match self.call.request {
            Request::Enqueue { .. } => "Enqueue",
            Request::Poll { .. } => "Poll",
            Request::Cancel { .. } => "Cancel",
        };
        let state = self.answer.state;
        format!("{verb} of {buyer} at {}–{} answered {state:?}", seconds(*start), seconds(*end))
    }
}

/// A time for texts.
pub(super) fn seconds(at: Nanos) -> String {
    format!("{}.{:03} s", at / 1_000_000_000, at / 1_000_000 % 1_000)
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut index = Self {
            history,
            seen: BTreeMap::new(),
            enqueues: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            orders: BTreeMap::new(),
            work: BTreeMap::new(),
        };
        for call in &history.calls {
            if let Outcome::Answered(answer) = &call.outcome {
                index.seen.entry(answer.ticket).or_default().push(Seen { call, answer });
            }
            let is_enqueue = matches!(call.request, Request::Enqueue { .. });
            if is_enqueue && matches!(call.outcome, Outcome::Answered(_) | Outcome::Unknown { .. }) {
                index.enqueues.entry(&call.buyer).or_default().push(call);
            }
        }
        index.seen.values_mut().for_each(|seen| seen.sort_by_key(|seen| (seen.call.end, seen.call.start)));
        index.enqueues.values_mut().for_each(|calls| calls.sort_by_key(|call| (call.start, call.end)));
        for delivery in &history.deliveries {
            index.deliveries.entry(delivery.ticket).or_default().push(delivery);
        }
        for order in &history.orders {
            index.orders.entry(order.ticket).or_default().push(order);
        }
        for work in &history.work {
            index.work.entry(work.ticket).or_default().push(work);
        }
        index
    }

    /// Whether the store may have forgotten something of this time.
    pub(super) fn loss_between(&self, from: Nanos, until: Nanos) -> bool {
        self.history.losses.iter().any(|loss| loss.until >= from && loss.from <= until)
    }

    /// Whether the store may have forgotten by `until` a ticket that was acknowledged at `level` at `from`.
    pub(super) fn may_forget(&self, level: Level, from: Nanos, until: Nanos) -> bool {
        let mut losses = self.history.losses.iter();
        losses.any(|loss| loss.until >= from && loss.from <= until && loss.forgets.contains(&level))
    }

    /// Whether the store may have lost the sale by `until`.
    pub(super) fn may_forget_sale(&self, until: Nanos) -> bool {
        self.history.losses.iter().any(|loss| loss.forgets_sale && loss.from <= until)
    }

    /// Who was given the ticket, by the answers.
    pub(super) fn owner(&self, ticket: TicketName) -> Option<&'a str> {
        let seen = self.seen.get(&ticket)?;
        seen.iter().find(|seen| seen.is_enqueue()).map(|seen| seen.call.buyer.as_str())
    }

    /// Before this time the buyer had not asked for the ticket.
    pub(super) fn asked_at(&self, ticket: TicketName, buyer: &str) -> Option<Nanos> {
        let may_be_its = |call: &&&Call| match &call.outcome {
            Outcome::Answered(answer) => answer.ticket == ticket,
            _ => true,
        };
        self.enqueues.get(buyer)?.iter().find(may_be_its).map(|call| call.start)
    }

    /// The latest that is known of each ticket from calls that began at rest.
    pub(super) fn at_rest(&self) -> Vec<(TicketName, Seen<'a>)> {
        let Some(rest) = self.history.rest_from else { return Vec::new() };
        let last = |seen: &Vec<Seen<'a>>| seen.iter().rfind(|seen| seen.call.start >= rest).copied();
        self.seen.iter().filter_map(|(&ticket, seen)| Some((ticket, last(seen)?))).collect()
    }

    /// Units of the orders that were never released.
    pub(super) fn live_order_units(&self) -> u64 {
        let live = self.history.orders.iter().filter(|order| order.released_at.is_none());
        live.map(|order| order.units).sum()
    }

    /// The last seen of a sorted list that had ended before `start`.
    pub(super) fn last_before(seen: &[Seen<'a>], start: Nanos) -> Option<Seen<'a>> {
        seen.partition_point(|seen| seen.call.end <= start)
            .checked_sub(1)
            .and_then(|at| seen.get(at))
            .copied()
    }

    /// The last seen before `start` that was final.
    pub(super) fn last_final_before(seen: &[Seen<'a>], start: Nanos) -> Option<Seen<'a>> {
        let ended = seen.partition_point(|seen| seen.call.end <= start);
        seen.iter().take(ended).rfind(|seen| seen.answer.state.is_final()).copied()
    }
}

/// Whether a ticket may go from `state` to `next`, maybe by way of others, while the store forgets nothing.
pub(super) const fn may_become(state: State, next: State) -> bool {
    match state {
        State::Waiting | State::Lost => true,
        State::Processing => !matches!(next, State::Cancelled | State::Expired),
        State::Dead => !matches!(next, State::Cancelled | State::Expired),
        State::Ordered => matches!(next, State::Ordered | State::Released),
        State::Released => matches!(next, State::Released),
        State::Cancelled => matches!(next, State::Cancelled),
        State::Rejected => matches!(next, State::Rejected),
        State::Expired => matches!(next, State::Expired),
    }
}
