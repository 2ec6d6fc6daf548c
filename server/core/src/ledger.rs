//! The ledger of a sale: the part that every admitted ticket and unit is in.

use std::fmt;

/// Tickets and their units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tickets.
    pub tickets: u64,
    /// Units.
    pub units: u64,
}

impl Count {
    /// Adds one ticket of `units`.
    pub const fn add(&mut self, units: u64) {
        self.tickets += 1;
        self.units += units;
    }

    /// Whether a ticket of `units` can be among these: each of the others has a unit, and the last one takes all that is left.
    #[must_use]
    pub const fn may_contain(&self, units: u64) -> bool {
        match (self.tickets, self.units.checked_sub(units)) {
            (0, _) | (_, None) => false,
            (1, Some(left)) => left == 0,
            (tickets, Some(left)) => left >= tickets - 1,
        }
    }

    /// Removes one ticket of `units`. The caller guarantees that it was counted.
    pub const fn take(&mut self, units: u64) {
        self.tickets -= 1;
        self.units -= units;
    }
}

/// The admitted tickets of one sale, by part. [`Ledger::check`] verifies that it balances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Ever admitted.
    pub admitted: Count,
    /// Waiting, retries included.
    pub waiting: Count,
    /// The part of `waiting` that was claimed before. An order may already exist for it, so its units stay reserved.
    pub retrying: Count,
    /// Under a lease.
    pub in_flight: Count,
    /// With an order.
    pub ordered: Count,
    /// Rejected by the order system, or discarded.
    pub rejected: Count,
    /// Cancelled by buyers.
    pub cancelled: Count,
    /// Never claimed before the sale closed.
    pub expired: Count,
    /// Ordered and released.
    pub released: Count,
    /// Out of attempts.
    pub dead: Count,
}

/// A ledger that does not balance: a defect, never a state of business.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger does not balance: {0}")]
pub struct LedgerImbalance(String);

impl Ledger {
    /// Units that the cap bounds: with stock, all units held; without stock, those that wait for their first claim.
    /// Retries are not among the latter: a ticket that was admitted is not refused later.
    #[must_use]
    pub const fn occupied_units(&self, has_stock: bool) -> u64 {
        if has_stock {
            self.waiting.units + self.in_flight.units + self.ordered.units + self.dead.units
        } else {
            self.waiting.units.saturating_sub(self.retrying.units)
        }
    }

    /// Units of stock that have an order or may have one: what claims may not use again.
    #[must_use]
    pub const fn committed_units(&self) -> u64 {
        self.retrying.units + self.in_flight.units + self.ordered.units + self.dead.units
    }

    /// Units that may still be admitted under `cap`. In a sale without stock retries leave less room for new buyers,
    /// and may fill more than the cap.
    #[must_use]
    pub const fn free_units(&self, cap: u64, has_stock: bool) -> u64 {
        let held = if has_stock { self.occupied_units(true) } else { self.waiting.units };
        cap.saturating_sub(held)
    }

    /// By how many tickets and units the ledger is off: admitted but in no part, or in a part but never admitted. 0 if it
    /// balances.
    #[must_use]
    pub fn imbalance(&self) -> u64 {
        let total = self.total();
        self.admitted.tickets.abs_diff(total.tickets) + self.admitted.units.abs_diff(total.units)
    }

    /// The sum of all parts.
    fn total(&self) -> Count {
        let parts = [
            self.waiting,
            self.in_flight,
            self.ordered,
            self.rejected,
            self.cancelled,
            self.expired,
            self.released,
            self.dead,
        ];
        Count {
            tickets: parts.iter().map(|part| part.tickets).sum(),
            units: parts.iter().map(|part| part.units).sum(),
        }
    }

    /// Checks invariants I1 and I13: admitted is the sum of all parts, held units do not exceed the cap, and units ordered
    /// or in flight do not exceed the stock.
    ///
    /// # Errors
    /// Names the sum that is off.
    pub fn check(&self, stock: Option<u64>, cap: u64) -> Result<(), LedgerImbalance> {
        let total = self.total();
        if total != self.admitted {
            return Err(LedgerImbalance(format!(
                "admitted {} but the parts add up to {total}",
                self.admitted
            )));
        }
        if self.retrying.tickets > self.waiting.tickets || self.retrying.units > self.waiting.units {
            return Err(LedgerImbalance(format!(
                "retrying {} exceeds waiting {}",
                self.retrying, self.waiting
            )));
        }
        let occupied = self.occupied_units(stock.is_some());
        if occupied > cap {
            return Err(LedgerImbalance(format!("{occupied} units are held, the cap is {cap}")));
        }
        match stock {
            Some(stock) if self.committed_units() > stock => Err(LedgerImbalance(format!(
                "{} units are ordered or in flight, the stock is {stock}",
                self.committed_units()
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tickets/{} units", self.tickets, self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(tickets: u64, units: u64) -> Count {
        Count { tickets, units }
    }

    #[test]
    fn a_balanced_ledger_passes() {
        let ledger = Ledger {
            admitted: count(6, 9),
            waiting: count(2, 3),
            retrying: count(1, 1),
            ordered: count(2, 4),
            cancelled: count(2, 2),
            ..Ledger::default()
        };
        assert_eq!((ledger.check(Some(7), 7), ledger.imbalance()), (Ok(()), 0));
        assert_eq!(ledger.free_units(10, true), 3);
        assert_eq!(ledger.free_units(10, false), 7);
    }

    #[test]
    fn retries_of_a_sale_without_stock_may_fill_more_than_the_cap() {
        let ledger = Ledger {
            admitted: count(3, 3),
            waiting: count(3, 3),
            retrying: count(1, 1),
            ..Ledger::default()
        };
        assert_eq!(ledger.check(None, 2), Ok(()));
        assert_eq!((ledger.occupied_units(false), ledger.free_units(2, false)), (2, 0));
        assert!(ledger.check(None, 1).unwrap_err().to_string().contains("cap"));
    }

    #[test]
    fn a_lost_ticket_an_exceeded_cap_and_an_oversold_stock_are_each_named() {
        let lost = Ledger { admitted: count(1, 1), ..Ledger::default() };
        assert!(lost.check(Some(1), 1).unwrap_err().to_string().contains("admitted"));
        assert_eq!(lost.imbalance(), 2, "a ticket and its unit");
        let overshot = Ledger { admitted: count(2, 2), waiting: count(2, 2), ..Ledger::default() };
        assert!(overshot.check(Some(1), 1).unwrap_err().to_string().contains("cap"));
        let oversold = Ledger { admitted: count(2, 2), ordered: count(2, 2), ..Ledger::default() };
        assert!(oversold.check(Some(1), 2).unwrap_err().to_string().contains("stock"));
    }
}
