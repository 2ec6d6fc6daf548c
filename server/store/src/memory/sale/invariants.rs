//! What must be true of a sale between operations.

use inrush_core::ledger::Ledger;

use super::Sale;

/// Checking each claimed ticket takes time; debug builds do it for sales with at most this many.
const MAX_TICKETS_CHECKED: u64 = 256;

impl Sale {
    /// The ledger balances, and its counts match the data: every ticket in flight has a lease (invariant I11), every
    /// waiting one is in the queue or waits for a retry, every settled one has its outcome.
    pub(super) fn check_invariants(&self) -> Result<(), String> {
        let Ledger { admitted, in_flight, retrying, dead, cancelled, expired, .. } = self.ledger;
        self.snapshot(self.created_at).check_ledger().map_err(|unbalanced| unbalanced.to_string())?;
        let concluded =
            self.ledger.ordered.tickets + self.ledger.rejected.tickets + self.ledger.released.tickets;
        let [leases, retries, dead_letters] = self.claimed.counts();
        let last_seq = self.queue.last_seq();
        let given = last_seq - self.epochs.set_aside_below(last_seq + 1);
        let pairs = [
            ("leases", leases, in_flight.tickets),
            ("retries", retries, retrying.tickets),
            ("dead letters", dead_letters, dead.tickets),
            ("outcomes", (self.outcomes.len() + self.adopted.len()) as u64, concluded),
            ("cancelled seqs", self.queue.cancelled(), cancelled.tickets + self.settled_in_queue),
            ("queued tickets", self.queue.len(), self.queued() + expired.tickets),
            (
                "seqs with a ticket",
                given + (self.restored.len() + self.adopted.len()) as u64,
                admitted.tickets,
            ),
            ("hashes of buyers", self.admitted.len() as u64, admitted.tickets),
        ];
        for (what, there, counted) in pairs {
            if there != counted {
                return Err(format!("{there} {what}, but the ledger counts {counted}"));
            }
        }
        if leases + retries + dead_letters <= MAX_TICKETS_CHECKED && !self.claimed.is_consistent() {
            return Err("a claimed ticket is not in the order of its stage".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inrush_core::{entry::Entry, sale::SaleSettings, store::AdmitRequest, time::Timestamp};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    /// One ticket in flight, one queued, one cancelled.
    fn busy_sale() -> Sale {
        let mut sale = Sale::create("phone".parse().unwrap(), SaleSettings::of_stock(3), 1, NOW, 0);
        let requests = ["ann", "bob", "cleo"].map(|buyer| AdmitRequest {
            entry: Entry { buyer: buyer.parse().unwrap(), units: 1, payload: Vec::new(), trace: Vec::new() },
            supersedes: None,
            restores: None,
        });
        sale.admit(NOW, &requests, Vec::new());
        sale.claim(NOW, 1);
        let third = sale.epochs.ticket(3);
        sale.cancel(third);
        sale
    }

    #[test]
    fn a_busy_sale_passes() {
        assert_eq!(busy_sale().check_invariants(), Ok(()));
    }

    type Tamper = fn(&mut Sale);

    #[test]
    fn a_violated_invariant_is_named() {
        let tamperings: [(Tamper, &str); 6] = [
            (|sale| sale.ledger.admitted.add(1), "balance"),
            (|sale| sale.settings.stock = Some(1), "cap"),
            (|sale| drop(sale.claimed.take(1)), "leases"),
            (|sale| drop(sale.queue.cancel(2)), "cancelled seqs"),
            (|sale| sale.admitted.clear(), "hashes"),
            (|sale| sale.ledger.retrying.add(1), "retries"),
        ];
        for (tamper, named) in tamperings {
            let mut sale = busy_sale();
            tamper(&mut sale);
            let violation = sale.check_invariants().unwrap_err();
            assert!(violation.contains(named), "{violation:?} does not name {named}");
        }
    }
}
