//! The line: who waits to be claimed for the first time, in the order of the numbers.

use std::collections::VecDeque;

use inrush_core::{entry::Entry, ticket::Seq};

use super::cancelled::CancelledSeqs;

/// The places after the cursor. A cancelled ticket keeps its place, empty, until the cursor passes it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    places: VecDeque<Option<Entry>>,
    cursor: Seq,
    cancelled: CancelledSeqs,
}

/// The place that a claim looks at next.
#[derive(Debug)]
pub(super) enum Next {
    /// Nobody is behind the cursor.
    Nobody,
    /// A cancelled ticket.
    Cancelled,
    /// A ticket that wants this many units.
    Waiting(u64),
}

impl Queue {
    /// Puts an entry at the end and gives it the next number.
    pub(super) fn push(&mut self, entry: Entry) -> Seq {
        self.places.push_back(Some(entry));
        self.last_seq()
    }

    /// Empties the place of `seq`; none if it has been passed, was emptied before or was never given out.
    pub(super) fn cancel(&mut self, seq: Seq) -> Option<Entry> {
        let index = usize::try_from(seq.checked_sub(self.cursor + 1)?).ok()?;
        let entry = self.places.get_mut(index)?.take()?;
        self.cancelled.insert(seq);
        Some(entry)
    }

    /// What a claim would find next.
    pub(super) fn next(&self) -> Next {
        match self.places.front() {
            None => Next::Nobody,
            Some(None) => Next::Cancelled,
            Some(Some(entry)) => Next::Waiting(entry.units),
        }
    }

    /// Moves the cursor over one place and takes the entry out of it, if one is left there.
    pub(super) fn pass(&mut self) -> Option<(Seq, Entry)> {
        let place = self.places.pop_front()?;
        self.cursor += 1;
        place.map(|entry| (self.cursor, entry))
    }

    /// The last number given out.
    pub(super) fn last_seq(&self) -> Seq {
        self.cursor + self.places.len() as u64
    }

    /// The last number that was claimed or skipped.
    pub(super) const fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Whether `seq` was cancelled, ever.
    pub(super) fn is_cancelled(&self, seq: Seq) -> bool {
        self.cancelled.contains(seq)
    }

    /// How many tickets were cancelled, ever.
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
    fn cancelled_places_count_for_nobody() {
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
    fn a_place_is_emptied_once_and_only_behind_the_cursor() {
        let mut queue = queue_of(2);
        assert!(queue.cancel(0).is_none() && queue.cancel(3).is_none());
        assert!(queue.pass().is_some());
        assert!(queue.cancel(1).is_none());
        assert!(queue.cancel(2).is_some());
        assert!(queue.cancel(2).is_none());
        assert_eq!((queue.cursor(), queue.last_seq(), queue.len()), (1, 2, 0));
    }
}
