//! I6, and the order of restored tickets: who is claimed before whom.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    findings::Findings,
    index::{Index, seconds},
    model::{Nanos, Outcome, Request, State, Step, TicketName},
    rule::Rule,
};

/// What matters for the order of claims, sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Everything that was acknowledged before may be forgotten.
    Loss,
    /// The ticket may leave the queue by a cancellation from now on.
    Cancelled(TicketName),
    /// The ticket was claimed or delivered.
    Taken(TicketName, u32),
    /// The ticket is known to wait since the time of this call's end; the start of the call.
    Waits(TicketName, Nanos, bool),
}

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    let mut events = Vec::new();
    claims(index, &mut events);
    answers(index, &mut events);
    for loss in &index.history.losses {
        // From its beginning to its end nothing is certain.
        events.push((loss.from, Event::Loss));
        events.push((loss.until, Event::Loss));
    }
    events.sort_by_key(|&(at, event)| (at, matches!(event, Event::Waits(..)), event == Event::Loss));
    Line::new(index).run(events, found);
}

/// Claims if they are known, else first deliveries.
fn claims(index: &Index<'_>, events: &mut Vec<(Nanos, Event)>) {
    for work in &index.history.work {
        if let Step::Claimed { attempt, .. } = work.step {
            events.push((work.at, Event::Taken(work.ticket, attempt)));
        }
    }
    if index.history.work.is_empty() {
        let deliveries = index.history.deliveries.iter();
        events.extend(deliveries.map(|it| (it.at, Event::Taken(it.ticket, it.attempt))));
    }
}

fn answers(index: &Index<'_>, events: &mut Vec<(Nanos, Event)>) {
    for call in &index.history.calls {
        match (call.request, &call.outcome) {
            (Request::Cancel { ticket }, Outcome::Answered(_) | Outcome::Unknown { .. }) => {
                events.push((call.start, Event::Cancelled(ticket)));
            }
            (Request::Enqueue { previous_ticket, .. }, Outcome::Answered(answer))
                if answer.state == State::Waiting =>
            {
                let restored = previous_ticket == Some(answer.ticket);
                events.push((call.end, Event::Waits(answer.ticket, call.start, restored)));
            }
            _ => {}
        }
    }
}

/// The tickets that must be claimed before those behind them.
struct Line<'a, 'b> {
    index: &'b Index<'a>,
    by_claims: bool,
    /// Waiting since then.
    waiting: BTreeMap<TicketName, Nanos>,
    /// Claimed since the last loss.
    taken: BTreeSet<TicketName>,
    ever_taken: BTreeSet<TicketName>,
    cancelled: BTreeSet<TicketName>,
    last_loss: Option<Nanos>,
}

impl<'a, 'b> Line<'a, 'b> {
    fn new(index: &'b Index<'a>) -> Self {
        Self {
            index,
            by_claims: !index.history.work.is_empty(),
            waiting: BTreeMap::new(),
            taken: BTreeSet::new(),
            ever_taken: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            last_loss: None,
        }
    }

    fn run(mut self, events: Vec<(Nanos, Event)>, found: &mut Findings) {
        for (at, event) in events {
            match event {
                Event::Loss => {
                    self.waiting.clear();
                    self.taken.clear();
                    self.last_loss = Some(at);
                }
                Event::Cancelled(ticket) => {
                    self.waiting.remove(&ticket);
                    self.cancelled.insert(ticket);
                }
                Event::Taken(ticket, attempt) => self.take(at, ticket, attempt, found),
                Event::Waits(ticket, start, restored) => self.wait(at, ticket, start, restored),
            }
        }
    }

    fn wait(&mut self, at: Nanos, ticket: TicketName, start: Nanos, restored: bool) {
        // An answer within the time of a loss may be forgotten by it.
        let certain = !self.index.loss_between(start, at);
        let was_taken = if restored { &self.taken } else { &self.ever_taken };
        if !certain || was_taken.contains(&ticket) || self.cancelled.contains(&ticket) {
            return;
        }
        self.waiting.entry(ticket).or_insert(at);
    }

    fn take(&mut self, at: Nanos, ticket: TicketName, attempt: u32, found: &mut Findings) {
        self.waiting.remove(&ticket);
        let is_first = self.ever_taken.insert(ticket) && attempt <= 1;
        self.taken.insert(ticket);
        if !is_first || self.may_be_restored(ticket, at) {
            return;
        }
        let ahead = self
            .waiting
            .iter()
            .find(|(ahead, since)| **ahead < ticket && self.is_certain(ticket, **since, at));
        let Some((&ahead, &since)) = ahead else { return };
        let rule = if self.last_loss.is_some_and(|loss| loss < since) { Rule::Restore } else { Rule::I6 };
        let buyers: Vec<&str> = [ahead, ticket].iter().filter_map(|&it| self.index.owner(it)).collect();
        found.add(rule, at, &buyers, || {
            format!(
                "ticket {ticket} was claimed at {}, before ticket {ahead} that waits since {}",
                seconds(at),
                seconds(since)
            )
        });
    }

    /// A ticket that is restored behind the last claim is claimed next, before others that are restored after it.
    fn may_be_restored(&self, ticket: TicketName, at: Nanos) -> bool {
        let mut calls = self.index.enqueues.values().flatten();
        calls.any(|call| {
            let previous =
                matches!(call.request, Request::Enqueue { previous_ticket: Some(it), .. } if it == ticket);
            previous && call.start <= at
        })
    }

    /// Claims are exact. A delivery comes some time after its claim, and may be lost on the way.
    fn is_certain(&self, ticket: TicketName, since: Nanos, at: Nanos) -> bool {
        if self.by_claims {
            return true;
        }
        let owner = self.index.owner(ticket);
        let asked = owner.and_then(|owner| self.index.asked_at(ticket, owner));
        let mut faults = self.index.history.faults.iter();
        let disturbed = faults.any(|it| it.breaks_deliveries && it.until >= since && it.from <= at);
        !disturbed && (self.last_loss.is_none() || asked.is_some_and(|asked| asked >= since))
    }
}
