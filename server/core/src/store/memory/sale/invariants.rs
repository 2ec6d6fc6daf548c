//! What must be true of a sale between operations.

use super::Sale;
use crate::ledger::Ledger;

/// Looking at each claimed ticket costs time; debug builds do it for sales that have at most this many.
const MOST_TICKETS_LOOKED_AT: u64 = 256;

impl Sale {
    /// The ledger balances, and what it counts is really there: every ticket in flight under a lease (invariant I11),
    /// every waiting one in line or due for a retry, every ended one with its outcome.
    pub(super) fn check_invariants(&self) -> Result<(), String> {
        let Ledger { admitted, in_flight, retrying, dead, cancelled, expired, .. } = self.ledger;
        self.ledger
            .check(self.settings.stock, self.settings.effective_cap())
            .map_err(|unbalanced| unbalanced.to_string())?;
        let concluded =
            self.ledger.ordered.tickets + self.ledger.rejected.tickets + self.ledger.released.tickets;
        let [leases, retries, dead_letters] = self.claimed.counts();
        let pairs = [
            ("leases", leases, in_flight.tickets),
            ("retries", retries, retrying.tickets),
            ("dead letters", dead_letters, dead.tickets),
            ("outcomes", self.outcomes.len() as u64, concluded),
            ("cancelled places", self.line.cancelled(), cancelled.tickets),
            ("places in line", self.line.len(), self.in_line() + expired.tickets),
            ("numbers given out", self.line.last_seq(), admitted.tickets),
            ("hashes of buyers", self.admitted.len() as u64, admitted.tickets),
        ];
        for (what, there, counted) in pairs {
            if there != counted {
                return Err(format!("{there} {what} but the ledger counts {counted}"));
            }
        }
        if leases + retries + dead_letters <= MOST_TICKETS_LOOKED_AT && !self.claimed.is_consistent() {
            return Err("a claimed ticket is not where its stage says".to_owned());
        }
        Ok(())
    }
}
