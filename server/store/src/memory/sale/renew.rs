//! A new epoch, after the history of the store has changed.

use std::time::Duration;

use inrush_core::{
    epochs::{Epochs, Place, TicketRef, epoch_after, first_seq_after},
    ticket::Seq,
    time::Timestamp,
};

use super::{Announcements, Sale};

impl Sale {
    /// The latest ticket that the sale may have given.
    pub(in super::super) const fn latest(&self) -> TicketRef {
        TicketRef { epoch: self.epochs.present(), seq: self.queue.last_seq() }
    }

    /// The epochs of the sale.
    pub(in super::super) const fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Raises the epoch if the history of the store is not that of the sale, or if the store is behind `seen`, the latest
    /// ticket that a caller has seen. `firsts` are the epochs that callers have seen, each with its first seq.
    pub(in super::super) fn renew(
        &mut self,
        now: Timestamp,
        history: u64,
        seen: TicketRef,
        firsts: impl Iterator<Item = (u64, Seq)>,
        restore_window: Duration,
    ) {
        let tickets_are_lost = seen > self.latest();
        let mut last = self.queue.last_seq();
        let before = self.epochs.present().max(seen.epoch);
        for (epoch, first) in firsts {
            if epoch > self.epochs.present() && first > last {
                self.epochs.rise(last, first, epoch);
                last = first - 1;
            }
        }
        let next_first = first_seq_after(if tickets_are_lost { last.max(seen.seq) } else { last });
        let epoch = epoch_after(before, now, history);
        self.epochs.rise(last, next_first, epoch);
        self.queue.set_aside(next_first);
        self.history = history;
        // No two histories have the same epoch, so no claim of another history has a fence of this one.
        self.last_fence = epoch.max(self.last_fence + 1);
        if tickets_are_lost {
            self.restoring_until = Some(now.after(restore_window));
        }
        self.announcements = Announcements { admission: true, work: true };
    }

    /// Whether the sale was written last under `history`.
    pub(in super::super) const fn has_history(&self, history: u64) -> bool {
        self.history == history
    }

    /// Makes the sale look as if another history had written it.
    pub(in super::super) const fn disown(&mut self) {
        self.history = u64::MAX;
    }

    /// Whether the store has gone back behind one of these tickets, without another sign of that.
    pub(in super::super) fn is_behind(&self, tickets: &[TicketRef]) -> bool {
        tickets.iter().any(|&ticket| self.epochs.place_of(ticket, self.queue.last_seq()) == Place::Ahead)
    }

    /// What a ticket is. A lost one that was restored is known.
    pub(super) fn place_of(&self, ticket: TicketRef) -> Place {
        match self.epochs.place_of(ticket, self.queue.last_seq()) {
            Place::Lost if self.owns(ticket) && self.restored.contains(&ticket.seq) => Place::Known,
            place => place,
        }
    }

    /// Whether the ticket's seq was given, or set aside, by the ticket's epoch.
    pub(super) fn owns(&self, ticket: TicketRef) -> bool {
        self.epochs.ticket(ticket.seq) == ticket
    }

    /// Whether holders of lost tickets come before other buyers.
    pub(super) fn is_restoring(&self, now: Timestamp) -> bool {
        self.restoring_until.is_some_and(|until| now < until)
    }
}
