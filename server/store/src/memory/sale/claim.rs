//! Claiming entries under a lease: retries that are due, then the queue, within the pace and the stock.

use inrush_core::{
    entry::{ClaimedEntry, Entry},
    store::{Claim, MAX_BATCH},
    ticket::Seq,
    time::Timestamp,
};

use super::{
    super::{
        claimed::{ClaimedTicket, Stage},
        queue::Next,
    },
    Sale,
};

/// Upper bound on the seqs that one claim passes, so that a long run of cancelled tickets is skipped in bounded steps.
const MAX_SEQS_PASSED: usize = 4 * MAX_BATCH;

impl Sale {
    pub(in super::super) fn claim(&mut self, now: Timestamp, max: usize) -> Claim {
        let last = self.queue.cross_lost_seqs(&self.epochs, self.is_restoring(now));
        self.follow_clock(now);
        let wanted = if self.settings.fulfilment_held { 0 } else { self.within_pace(now, max) };
        let fence = self.last_fence + 1;
        let mut entries = self.claim_due_retries(now, wanted, fence);
        self.claim_from_queue(now, wanted, fence, last, &mut entries);
        if !entries.is_empty() {
            self.last_fence = fence;
            self.count_claims(now, entries.len() as u64);
        }
        Claim {
            epochs: self.epochs.clone(),
            created_at: self.created_at,
            fence: if entries.is_empty() { 0 } else { fence },
            lease: self.settings.lease,
            entries,
            backlog: self.backlog(now),
        }
    }

    fn follow_clock(&mut self, now: Timestamp) {
        if let Some(bucket) = &mut self.bucket {
            bucket.follow_clock(now);
        }
        self.measured_pace.follow_clock(now);
    }

    fn within_pace(&self, now: Timestamp, max: usize) -> usize {
        let tokens = self.bucket.as_ref().map_or(u64::MAX, |bucket| bucket.tokens(now));
        max.min(usize::try_from(tokens).unwrap_or(usize::MAX))
    }

    fn count_claims(&mut self, now: Timestamp, claims: u64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.spend(claims, now);
        }
        self.measured_pace.count(claims, now);
    }

    fn claim_due_retries(&mut self, now: Timestamp, wanted: usize, fence: u64) -> Vec<ClaimedEntry> {
        let mut entries = Vec::new();
        for seq in self.claimed.due_retries(now, wanted) {
            if let Some(ticket) = self.claimed.take(seq) {
                self.ledger.retrying.take(ticket.entry.units);
                entries.push(self.lease(now, fence, seq, ticket.attempt + 1, ticket.entry));
            }
        }
        entries
    }

    /// Strictly in order: no ticket overtakes the first one that the stock has no units for.
    fn claim_from_queue(
        &mut self,
        now: Timestamp,
        wanted: usize,
        fence: u64,
        last: Seq,
        entries: &mut Vec<ClaimedEntry>,
    ) {
        let mut passed = 0;
        while entries.len() < wanted
            && passed < MAX_SEQS_PASSED
            && self.queue.cursor() < last
            && self.can_advance()
        {
            if let Some((seq, entry)) = self.queue.pass() {
                let claimed = self.lease(now, fence, seq, 1, entry);
                entries.push(claimed);
            }
            passed += 1;
        }
    }

    /// Whether a claim would move the cursor: over a seq without a ticket, or one that the stock has the units for.
    pub(super) fn can_advance(&self) -> bool {
        if self.closed {
            return false;
        }
        match self.queue.next() {
            Next::End => false,
            Next::Empty => true,
            Next::Waiting(units) => units <= self.uncommitted_units(),
        }
    }

    pub(super) fn uncommitted_units(&self) -> u64 {
        self.settings.stock.map_or(u64::MAX, |stock| stock.saturating_sub(self.ledger.committed_units()))
    }

    /// Leases a ticket. The caller has removed it from where it waited.
    fn lease(&mut self, now: Timestamp, fence: u64, seq: Seq, attempt: u32, entry: Entry) -> ClaimedEntry {
        self.ledger.waiting.take(entry.units);
        self.ledger.in_flight.add(entry.units);
        let stage = Stage::Leased { fence, deadline: now.after(self.settings.lease) };
        self.claimed.put(seq, ClaimedTicket { entry: entry.clone(), attempt, stage });
        ClaimedEntry { seq, attempt, entry }
    }
}
