//! The epochs of a sale: which seqs each of them gave, and which of these the store still knows.
//!
//! An epoch ends when the history of the store may have changed: its server restarted, or another one was promoted. The
//! seqs behind the last one that the store knows are then set aside, since tickets with them may have been given and
//! lost. So a seq never names two tickets, and a ticket is lost if its seq was set aside and is empty.

use std::time::Duration;

use crate::{
    sale::SaleId,
    ticket::{MAX_SEQ, Seq, TicketId},
    time::Timestamp,
};

/// Seqs that are set aside when an epoch ends: more than a master that was replaced can give until it finds out.
pub const SET_ASIDE: u64 = 1 << 21;

/// How long holders of lost tickets come before other buyers after a loss: clients look a ticket up every few seconds.
pub const RESTORE_WINDOW: Duration = Duration::from_secs(10);

/// Seqs are set aside up to the end of a segment of this many.
pub const SEGMENT: u64 = 4096;

/// Bits of the store's history in the number of an epoch, as a factor: `lua/include/new_epoch.lua` has the same.
const HISTORY_BITS: u64 = 2048;
const MORE_BITS: u64 = 1024;

/// How far ahead of the clock a believable epoch is: the clock of an earlier server may have been ahead.
const MAX_CLOCK_STEP_MS: u64 = 24 * 60 * 60 * 1000;

/// How far ahead of the store a believable seq is: several epochs may have been lost.
const MAX_SEQS_AHEAD: u64 = 4 * SET_ASIDE;

/// A ticket within its sale, as its holder presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketRef {
    /// The epoch that gave it.
    pub epoch: u64,
    /// Its seq.
    pub seq: Seq,
}

impl TicketRef {
    /// The ticket's id in `sale`.
    #[must_use]
    pub const fn in_sale(self, sale: SaleId) -> TicketId {
        TicketId { sale, epoch: self.epoch, seq: self.seq }
    }
}

impl From<&TicketId> for TicketRef {
    fn from(ticket: &TicketId) -> Self {
        Self { epoch: ticket.epoch, seq: ticket.seq }
    }
}

/// An epoch that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEpoch {
    /// Its number.
    pub epoch: u64,
    /// The last of its seqs that the store knows: its boundary.
    pub last: Seq,
    /// The first seq of the next epoch. Those between are set aside.
    pub next_first: Seq,
}

/// What a ticket is to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The store knows it.
    Known,
    /// It was given, and the store has lost it, unless it was restored.
    Lost,
    /// It is of an earlier sale of this name.
    Foreign,
    /// The store has gone back behind it, and nothing else shows that.
    Ahead,
}

/// The epochs of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs {
    past: Vec<PastEpoch>,
    present: u64,
}

impl Epochs {
    /// The epochs of a sale in its first one.
    #[must_use]
    pub const fn new(present: u64) -> Self {
        Self { past: Vec::new(), present }
    }

    /// The epochs of a sale: those that have ended, oldest first, and the present one.
    #[must_use]
    pub const fn with_past(past: Vec<PastEpoch>, present: u64) -> Self {
        Self { past, present }
    }

    /// The number of the present epoch.
    #[must_use]
    pub const fn present(&self) -> u64 {
        self.present
    }

    /// Whether an epoch has ended.
    #[must_use]
    pub fn has_risen(&self) -> bool {
        !self.past.is_empty()
    }

    /// The epochs that have ended, oldest first.
    #[must_use]
    pub fn past(&self) -> &[PastEpoch] {
        &self.past
    }

    /// The ticket with this seq.
    #[must_use]
    pub fn ticket(&self, seq: Seq) -> TicketRef {
        TicketRef { epoch: self.owner(seq).map_or(self.present, |owner| owner.epoch), seq }
    }

    /// What a ticket is, when `last_seq` is the last one that was given.
    #[must_use]
    pub fn place_of(&self, ticket: TicketRef, last_seq: Seq) -> Place {
        let first_epoch = self.past.first().map_or(self.present, |past| past.epoch);
        if ticket.epoch > self.present {
            return Place::Ahead;
        }
        if ticket.seq == 0 || ticket.epoch < first_epoch {
            return Place::Foreign;
        }
        match self.owner(ticket.seq) {
            Some(owner) if owner.epoch == ticket.epoch && ticket.seq <= owner.last => Place::Known,
            None if self.present == ticket.epoch && ticket.seq <= last_seq => Place::Known,
            None if self.present == ticket.epoch => Place::Ahead,
            Some(_) | None => Place::Lost,
        }
    }

    /// Each epoch with its first seq, oldest first.
    pub fn firsts(&self) -> impl Iterator<Item = (u64, Seq)> {
        let epochs = self.past.iter().map(|past| past.epoch).chain([self.present]);
        epochs.zip([1].into_iter().chain(self.past.iter().map(|past| past.next_first)))
    }

    /// Ends the present epoch behind `last`, the last seq that the store knows, and begins a new one at `next_first`.
    pub fn rise(&mut self, last: Seq, next_first: Seq, epoch: u64) {
        self.past.push(PastEpoch { epoch: self.present, last, next_first });
        self.present = epoch;
    }

    /// Seqs below `seq` that were set aside.
    #[must_use]
    pub fn set_aside_below(&self, seq: Seq) -> u64 {
        self.past.iter().map(|past| past.next_first.min(seq).saturating_sub(past.last + 1)).sum()
    }

    /// Whether `seq` was set aside.
    #[must_use]
    pub fn is_set_aside(&self, seq: Seq) -> bool {
        self.owner(seq).is_some_and(|owner| seq > owner.last)
    }

    fn owner(&self, seq: Seq) -> Option<&PastEpoch> {
        self.past.iter().find(|past| seq < past.next_first)
    }
}

/// The first seq of the epoch that follows one of which tickets up to `highest` may have been given.
#[must_use]
pub fn first_seq_after(highest: Seq) -> Seq {
    ((highest + SET_ASIDE).div_ceil(SEGMENT) * SEGMENT).min(MAX_SEQ) + 1
}

/// The number of a new epoch after `previous`, 0 for none: the time in milliseconds, and bits of `history`, the random
/// number of the store's history. So two histories that part never give the same number, also when the clock is behind
/// the epoch before.
#[must_use]
pub fn epoch_after(previous: u64, now: Timestamp, history: u64) -> u64 {
    let before = previous / HISTORY_BITS;
    let millis = if now.0 > before { now.0 } else { before + 1 + history / HISTORY_BITS % MORE_BITS };
    millis * HISTORY_BITS + history % HISTORY_BITS
}

/// Whether a ticket that the store is behind can have been given, when the store knows of `last_seq`. The ticket ids of an
/// order system are not signed: one that was never given must not raise the epoch, or use up the seqs of a sale.
#[must_use]
pub const fn can_be_ahead(ticket: TicketRef, last_seq: Seq, now: Timestamp) -> bool {
    ticket.epoch / HISTORY_BITS <= now.0.saturating_add(MAX_CLOCK_STEP_MS)
        && ticket.seq <= last_seq.saturating_add(MAX_SEQS_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epoch 10 gave 1 to 5 and maybe more, epoch 20 began at 101 and gave 101 to 103.
    fn epochs() -> Epochs {
        let mut epochs = Epochs::new(10);
        epochs.rise(5, 101, 20);
        epochs
    }

    #[test]
    fn a_seq_belongs_to_the_epoch_that_gave_it() {
        assert_eq!([1, 5, 100, 101].map(|seq| epochs().ticket(seq).epoch), [10, 10, 10, 20]);
        assert_eq!(epochs().firsts().collect::<Vec<_>>(), [(10, 1), (20, 101)]);
    }

    #[test]
    fn a_ticket_is_known_lost_foreign_or_ahead() {
        let place = |epoch, seq| epochs().place_of(TicketRef { epoch, seq }, 103);
        assert_eq!([(10, 1), (10, 5), (20, 101), (20, 103)].map(|(e, s)| place(e, s)), [Place::Known; 4]);
        assert_eq!([(10, 6), (10, 100), (10, 101), (15, 3)].map(|(e, s)| place(e, s)), [Place::Lost; 4]);
        assert_eq!([(9, 1), (10, 0)].map(|(e, s)| place(e, s)), [Place::Foreign; 2]);
        assert_eq!([(20, 104), (21, 1)].map(|(e, s)| place(e, s)), [Place::Ahead; 2]);
    }

    #[test]
    fn a_ticket_that_no_server_can_have_given_is_not_ahead() {
        let now = Timestamp(1_700_000_000_000);
        let epoch = epoch_after(0, now, 7);
        let is_believed = |epoch, seq| can_be_ahead(TicketRef { epoch, seq }, 100, now);
        assert!(is_believed(epoch, 101) && is_believed(epoch + 2048 * 3_600_000, 3 * SET_ASIDE));
        assert!(!is_believed(epoch, MAX_SEQ) && !is_believed(epoch + 2048 * 90_000_000, 1));
        assert!(!is_believed(u64::MAX, 1));
    }

    #[test]
    fn epochs_rise_and_differ_between_histories_even_if_the_clock_is_behind() {
        let (now, earlier) = (Timestamp(1_700_000_000_000), Timestamp(1_600_000_000_000));
        let first = epoch_after(0, now, 7);
        assert_eq!((first / 2048, first % 2048), (now.0, 7));
        let one = epoch_after(first, earlier, 5 * 2048 + 1);
        let other = epoch_after(first, earlier, 6 * 2048 + 1);
        assert!(one > first && other > first && one != other);
        assert!(epoch_after(first, Timestamp(now.0 + 1), 0) > first);
        assert!(other < 1 << 53, "scripts count in doubles");
    }
}
