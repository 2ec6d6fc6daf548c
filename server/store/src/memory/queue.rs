//! The queue: tickets that wait for their first claim, in the order of their seqs.

use std::collections::{BTreeMap, BTreeSet};

use inrush_core::{
    entry::Entry,
    epochs::{Epochs, SEGMENT},
    ticket::Seq,
};

use super::seq_set::SeqSet;

/// The seqs after the cursor. One whose ticket was cancelled, or that was set aside when an epoch ended, has no entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Seq, Entry>,
    cursor: Seq,
    last_seq: Seq,
    cancelled: SeqSet,
    /// Restored tickets that were put back into the queue.
    restored: SeqSet,
    /// Segments with restored tickets. The cursor skips the others that were set aside in one step.
    restored_segments: BTreeSet<u64>,
    /// Seqs up to the cursor that had no entry when the cursor passed them.
    skipped: u64,
}

/// The seq after the cursor.
#[derive(Debug)]
pub(super) enum Next {
    /// There is none.
    End,
    /// It has no entry.
    Empty,
    /// A ticket for this many units.
    Waiting(u64),
}

impl Queue {
    /// Appends an entry and returns its seq.
    pub(super) fn push(&mut self, entry: Entry) -> Seq {
        self.last_seq += 1;
        self.waiting.insert(self.last_seq, entry);
        self.last_seq
    }

    /// Sets the seqs aside that follow the last one, up to the one before `next_first`.
    pub(super) const fn set_aside(&mut self, next_first: Seq) {
        self.last_seq = next_first - 1;
    }

    /// Puts the entry of a ticket back under its seq; false if the cursor has passed it.
    pub(super) fn restore(&mut self, seq: Seq, entry: Entry) -> bool {
        if seq <= self.cursor {
            return false;
        }
        self.waiting.insert(seq, entry);
        self.restored.insert(seq);
        self.restored_segments.insert(segment_of(seq));
        true
    }

    /// Removes the entry of `seq`; `None` if it has none.
    pub(super) fn cancel(&mut self, seq: Seq) -> Option<Entry> {
        let entry = self.waiting.remove(&seq)?;
        self.cancelled.insert(seq);
        Some(entry)
    }

    /// The entry of `seq`, if it waits.
    pub(super) fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.waiting.get(&seq)
    }

    /// The seq that a claim would take next.
    pub(super) fn next(&self) -> Next {
        match self.waiting.get(&(self.cursor + 1)) {
            Some(entry) => Next::Waiting(entry.units),
            None if self.cursor < self.last_seq => Next::Empty,
            None => Next::End,
        }
    }

    /// Advances the cursor by one seq and returns its entry, if it has one.
    pub(super) fn pass(&mut self) -> Option<(Seq, Entry)> {
        self.cursor += 1;
        let entry = self.waiting.remove(&self.cursor);
        self.skipped += u64::from(entry.is_none());
        Some((self.cursor, entry?))
    }

    /// Moves the cursor over seqs that were set aside, up to the next segment with a restored ticket. Returns the last seq
    /// that may be claimed before the next such stretch. While the queue is `restoring`, none is crossed.
    pub(super) fn cross_lost_seqs(&mut self, epochs: &Epochs, restoring: bool) -> Seq {
        for epoch in epochs.past() {
            if self.cursor + 1 >= epoch.next_first {
                continue;
            }
            if restoring {
                return self.cursor.max(epoch.last);
            }
            if self.cursor < epoch.last {
                let segment = segment_of(epoch.last);
                let filled_up = self.restored_segments.contains(&segment);
                return if filled_up { (segment + 1) * SEGMENT } else { epoch.last };
            }
            let ahead = segment_of(self.cursor + 1)..=segment_of(epoch.next_first - 1);
            if let Some(&segment) = self.restored_segments.range(ahead).next() {
                self.skip_to(self.cursor.max(segment * SEGMENT));
                return (segment + 1) * SEGMENT;
            }
            self.skip_to(epoch.next_first - 1);
        }
        self.last_seq
    }

    const fn skip_to(&mut self, seq: Seq) {
        self.skipped += seq - self.cursor;
        self.cursor = seq;
    }

    /// The last seq assigned.
    pub(super) const fn last_seq(&self) -> Seq {
        self.last_seq
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

    /// Tickets from the cursor up to `seq`, itself included.
    pub(super) fn position(&self, epochs: &Epochs, seq: Seq) -> u64 {
        let empty = epochs.set_aside_below(seq) + self.cancelled.below(seq) - self.restored.below(seq);
        seq - self.cursor - (empty - self.skipped)
    }

    /// Tickets after the cursor.
    pub(super) fn len(&self) -> u64 {
        self.waiting.len() as u64
    }
}

const fn segment_of(seq: Seq) -> u64 {
    seq.saturating_sub(1) / SEGMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: Seq) -> Entry {
        let buyer = format!("buyer-{seq}").parse().unwrap();
        Entry { buyer, units: seq, payload: Vec::new(), trace: Vec::new() }
    }

    fn queue_of(length: u64) -> Queue {
        let mut queue = Queue::default();
        for seq in 1..=length {
            assert_eq!(queue.push(entry(seq)), seq);
        }
        queue
    }

    #[test]
    fn cancelled_tickets_do_not_count_in_positions() {
        let (mut queue, epochs) = (queue_of(5), Epochs::new(1));
        assert!(queue.cancel(1).is_some() && queue.cancel(3).is_some());
        assert_eq!([2, 4, 5].map(|seq| queue.position(&epochs, seq)), [1, 2, 3]);
        assert_eq!((queue.len(), queue.cancelled()), (3, 2));
        assert!(matches!(queue.next(), Next::Empty));
        assert!(queue.pass().is_none());
        assert!(matches!(queue.next(), Next::Waiting(2)));
        assert_eq!(queue.pass().map(|(seq, _)| seq), Some(2));
        assert_eq!([4, 5].map(|seq| queue.position(&epochs, seq)), [1, 2]);
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

    #[test]
    fn restored_tickets_wait_between_those_that_came_before_and_after() {
        let (mut queue, mut epochs) = (queue_of(2), Epochs::new(1));
        let next_first = 3 * SEGMENT + 1;
        epochs.rise(2, next_first, 2);
        queue.set_aside(next_first);
        assert_eq!(queue.push(entry(9)), next_first);
        assert_eq!(queue.position(&epochs, next_first), 3);

        let restored = [4, SEGMENT + 7];
        assert!(restored.map(|seq| queue.restore(seq, entry(seq))).iter().all(|&restored| restored));
        assert_eq!([2, 4, SEGMENT + 7, next_first].map(|seq| queue.position(&epochs, seq)), [2, 3, 4, 5]);
        let mut claimed = Vec::new();
        while queue.cursor() < next_first {
            let last = queue.cross_lost_seqs(&epochs, false);
            claimed.extend((queue.cursor()..last).filter_map(|_| queue.pass()).map(|(seq, _)| seq));
        }
        assert_eq!(claimed, [1, 2, 4, SEGMENT + 7, next_first]);
        assert!(!queue.restore(5, entry(5)), "the cursor has passed it");
    }

    #[test]
    fn while_tickets_are_restored_only_those_before_them_are_claimed() {
        let (mut queue, mut epochs) = (queue_of(2), Epochs::new(1));
        epochs.rise(2, SEGMENT + 1, 2);
        queue.set_aside(SEGMENT + 1);
        queue.push(entry(9));
        assert_eq!(queue.cross_lost_seqs(&epochs, true), 2);
        assert!(queue.pass().is_some() && queue.pass().is_some());
        assert_eq!(queue.cross_lost_seqs(&epochs, true), 2);
        assert_eq!((queue.cross_lost_seqs(&epochs, false), queue.cursor()), (SEGMENT + 1, SEGMENT));
    }
}
