//! The queue: tickets that wait for their first claim, in the order of their seqs.

use std::collections::VecDeque;

use inrush_core::{entry::Entry, ticket::Seq};

use super::cancelled::CancelledSeqs;

/// The slots after the cursor. A cancelled ticket's slot is empty until the cursor passes it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: VecDeque<Option<Entry>>,
    cursor: Seq,
    cancelled: CancelledSeqs,
}

/// The slot after the cursor.
#[derive(Debug)]
pub(super) enum Next {
    /// There is none.
    End,
    /// A cancelled ticket.
    Cancelled,
    /// A ticket for this many units.
    Waiting(u64),
}

impl Queue {
    /// Appends an entry and returns its seq.
    pub(super) fn push(&mut self, entry: Entry) -> Seq {
        self.slots.push_back(Some(entry));
        self.last_seq()
    }

    /// Empties the slot of `seq`; `None` if the cursor has passed it, it is empty, or it was never assigned.
    pub(super) fn cancel(&mut self, seq: Seq) -> Option<Entry> {
        let index = usize::try_from(seq.checked_sub(self.cursor + 1)?).ok()?;
        let entry = self.slots.get_mut(index)?.take()?;
        self.cancelled.insert(seq);
        Some(entry)
    }

    /// The slot that a claim would take next.
    pub(super) fn next(&self) -> Next {
        match self.slots.front() {
            None => Next::End,
            Some(None) => Next::Cancelled,
            Some(Some(entry)) => Next::Waiting(entry.units),
        }
    }

    /// Advances the cursor by one slot and returns its entry, if there is one.
    pub(super) fn pass(&mut self) -> Option<(Seq, Entry)> {
        let slot = self.slots.pop_front()?;
        self.cursor += 1;
        slot.map(|entry| (self.cursor, entry))
    }

    /// The last seq assigned.
    pub(super) fn last_seq(&self) -> Seq {
        self.cursor + self.slots.len() as u64
    }

    /// The last seq that was claimed or skipped.
    pub(super) const fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Whether `seq` was ever cancelled.
    pub(super) fn is_cancelled(&self, seq: Seq) -> bool {
        self.cancelled.contains(seq)
    }

    /// How many tickets were ever cancelled.
    pub(super) fn cancelled(&self) -> u64 {
        self.cancelled.len()
    }

    /// Tickets from the cursor up to `seq`, itself included, without the cancelled ones.
    pub(super) fn position(&self, seq: Seq) -> u64 {
        let cancelled_ahead = self.cancelled.below(seq) - self.cancelled.below(self.cursor + 1);
        seq - self.cursor - cancelled_ahead
    }

    /// Tickets after the cursor, without the cancelled ones.
    pub(super) fn len(&self) -> u64 {
        self.position(self.last_seq() + 1) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(length: u64) -> Queue {
        let mut queue = Queue::default();
        for seq in 1..=length {
            let buyer = format!("buyer-{seq}").parse().unwrap();
            assert_eq!(queue.push(Entry { buyer, units: seq, payload: Vec::new(), trace: Vec::new() }), seq);
        }
        queue
    }

    #[test]
    fn cancelled_tickets_do_not_count_in_positions() {
        let mut queue = queue_of(5);
        assert!(queue.cancel(1).is_some() && queue.cancel(3).is_some());
        assert_eq!([2, 4, 5].map(|seq| queue.position(seq)), [1, 2, 3]);
        assert_eq!((queue.len(), queue.cancelled()), (3, 2));
        assert!(matches!(queue.next(), Next::Cancelled));
        assert!(queue.pass().is_none());
        assert!(matches!(queue.next(), Next::Waiting(2)));
        assert_eq!(queue.pass().map(|(seq, _)| seq), Some(2));
        assert_eq!([4, 5].map(|seq| queue.position(seq)), [1, 2]);
    }

    #[test]
    fn a_ticket_is_cancelled_once_and_only_behind_the_cursor() {
        let mut queue = queue_of(2);
        assert!(queue.cancel(0).is_none() && queue.cancel(3).is_none());
        assert!(queue.pass().is_some());
        assert!(queue.cancel(1).is_none());
        assert!(queue.cancel(2).is_some());
        assert!(queue.cancel(2).is_none());
        assert_eq!((queue.cursor(), queue.last_seq(), queue.len()), (1, 2, 0));
    }
}
