//! Decides which orders of a batch the stock covers, without accessing the database.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use super::{NewOrder, Outcome, SaleKey, TicketOwner, stock::Stock};

/// The data for the decision, all of it read under the lock on the stock rows.
pub(super) struct Snapshot {
    /// The stock of the sales.
    pub(super) stock: Stock,
    /// The orders of tickets that have one.
    pub(super) orders: HashMap<String, KnownOrder>,
    /// The tickets of live orders by buyer, of sales with stock.
    pub(super) live: HashMap<BuyerKey, String>,
}

/// The order of a ticket.
#[derive(Clone, Debug)]
pub(super) struct KnownOrder {
    pub(super) order_id: String,
    pub(super) owner: TicketOwner,
    /// It was released, and the front has recorded that.
    pub(super) release_acknowledged: bool,
}

/// A buyer of one creation of a sale.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BuyerKey {
    pub(super) sale: SaleKey,
    pub(super) buyer_id: String,
}

/// The orders to insert, and the outcomes to answer once they are committed.
pub(super) struct Plan<'a> {
    /// One for each order of the batch, in order.
    pub(super) outcomes: Vec<Outcome>,
    /// The orders to insert, in order.
    pub(super) accepted: Vec<Accepted<'a>>,
    /// Tickets whose order is released. The front had recorded that, and has forgotten it if it sends them again.
    pub(super) released: Vec<&'a str>,
}

/// An order that the stock covers.
pub(super) struct Accepted<'a> {
    pub(super) order: &'a NewOrder,
    pub(super) order_id: String,
    /// The creation of the sale whose stock it takes.
    pub(super) sale_created_at: u64,
    /// False for a sale without stock.
    pub(super) takes_stock: bool,
}

/// Handles the orders in turn: each gets all its units or none, and one that needs more than is left does not
/// block a smaller one behind it. A ticket that occurs twice gets one order.
pub(super) fn plan<'a>(
    orders: &'a [NewOrder],
    mut snapshot: Snapshot,
    mut new_order_id: impl FnMut() -> String,
) -> Plan<'a> {
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(orders.len());
    let (mut accepted, mut released) = (Vec::new(), Vec::new());
    for order in orders {
        outcomes.push(match snapshot.orders.get(&order.ticket_id) {
            Some(known) if !known.is_of(order) => Outcome::TicketTaken(known.owner.clone()),
            Some(known) => {
                if known.release_acknowledged {
                    released.push(order.ticket_id.as_str());
                }
                Outcome::Created { order_id: known.order_id.clone(), repeated: true }
            }
            None => match snapshot.reserve(order) {
                Err(refused) => refused,
                Ok(reserved) => {
                    let order_id = new_order_id();
                    snapshot.remember(order, &order_id);
                    let Reserved { sale_created_at, takes_stock } = reserved;
                    accepted.push(Accepted {
                        order,
                        order_id: order_id.clone(),
                        sale_created_at,
                        takes_stock,
                    });
                    Outcome::Created { order_id, repeated: false }
                }
            },
        });
    }
    Plan { outcomes, accepted, released }
}

impl Plan<'_> {
    /// Units to take from each sale with stock.
    pub(super) fn taken(&self) -> BTreeMap<(&str, u64), u64> {
        let mut taken = BTreeMap::new();
        for accepted in self.accepted.iter().filter(|accepted| accepted.takes_stock) {
            let sale = (accepted.order.sale.sale_id.as_str(), accepted.sale_created_at);
            *taken.entry(sale).or_default() += accepted.order.units;
        }
        taken
    }
}

struct Reserved {
    sale_created_at: u64,
    takes_stock: bool,
}

impl Snapshot {
    /// Takes the units of an order, or returns why there are none for it.
    fn reserve(&mut self, order: &NewOrder) -> Result<Reserved, Outcome> {
        let SaleKey { sale_id, .. } = &order.sale;
        let sale_created_at = self.stock.creation(&order.sale).ok_or(Outcome::UnknownSale)?;
        let remaining = self.stock.remaining(sale_id, sale_created_at).ok_or(Outcome::UnknownSale)?;
        let Some(remaining) = remaining else { return Ok(Reserved { sale_created_at, takes_stock: false }) };
        let sale = SaleKey { sale_id: sale_id.clone(), created_at: sale_created_at };
        match self.live.entry(BuyerKey { sale, buyer_id: order.buyer_id.clone() }) {
            Entry::Occupied(live) => return Err(Outcome::AlreadyOrdered { ticket_id: live.get().clone() }),
            Entry::Vacant(place) => {
                *remaining = remaining.checked_sub(order.units).ok_or(Outcome::OutOfStock)?;
                place.insert(order.ticket_id.clone());
            }
        }
        Ok(Reserved { sale_created_at, takes_stock: true })
    }

    fn remember(&mut self, order: &NewOrder, order_id: &str) {
        let owner = TicketOwner { buyer_id: order.buyer_id.clone(), units: order.units };
        let known = KnownOrder { order_id: order_id.to_owned(), owner, release_acknowledged: false };
        self.orders.insert(order.ticket_id.clone(), known);
    }
}

impl KnownOrder {
    /// Whether it is the order that is asked for. Another buyer never learns of it.
    fn is_of(&self, order: &NewOrder) -> bool {
        self.owner.buyer_id == order.buyer_id && self.owner.units == order.units
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::{BuyerKey, KnownOrder, Snapshot, plan};
    use crate::order_store::{NewOrder, Outcome, Payment, SaleKey, TicketOwner, stock::Stock};

    fn order(ticket_id: &str, sale_id: &str, units: u64) -> NewOrder {
        NewOrder {
            ticket_id: ticket_id.to_owned(),
            sale: sale_id.into(),
            seq: 1,
            buyer_id: buyer_of(ticket_id),
            units,
            attempt: 1,
            payment: Payment::Paid,
        }
    }

    fn buyer_of(ticket_id: &str) -> String {
        format!("buyer of {ticket_id}")
    }

    fn snapshot(levels: impl IntoIterator<Item = (SaleKey, Option<u64>)>) -> Snapshot {
        let mut stock = Stock::default();
        levels.into_iter().for_each(|(sale, remaining)| stock.insert(sale, remaining));
        Snapshot { stock, orders: HashMap::new(), live: HashMap::new() }
    }

    fn known(ticket_id: &str, order_id: &str, units: u64) -> (String, KnownOrder) {
        let owner = TicketOwner { buyer_id: buyer_of(ticket_id), units };
        (
            ticket_id.to_owned(),
            KnownOrder { order_id: order_id.to_owned(), owner, release_acknowledged: false },
        )
    }

    fn creation(sale_id: &str, created_at: u64) -> SaleKey {
        SaleKey { sale_id: sale_id.to_owned(), created_at }
    }

    fn created(order_id: &str, repeated: bool) -> Outcome {
        Outcome::Created { order_id: order_id.to_owned(), repeated }
    }

    #[test]
    fn orders_are_handled_in_turn_and_get_all_units_or_none() {
        let mut snapshot = snapshot([(creation("shoes", 7), Some(5)), (creation("lunch", 0), None)]);
        snapshot.orders.extend([known("shoes/1/1", "old", 9)]);
        let orders = [
            order("shoes/1/1", "shoes", 9),
            order("shoes/1/2", "shoes", 3),
            order("shoes/1/3", "shoes", 3),
            order("lunch/1/1", "lunch", 1000),
            order("shoes/1/4", "shoes", 2),
            order("shoes/1/2", "shoes", 3),
            order("shoes/1/5", "shoes", 1),
            order("hats/1/1", "hats", 1),
        ];
        let mut ids = 0;
        let plan = plan(&orders, snapshot, || {
            ids += 1;
            format!("new-{ids}")
        });
        assert_eq!(
            plan.outcomes,
            [
                created("old", true),
                created("new-1", false),
                Outcome::OutOfStock,
                created("new-2", false),
                created("new-3", false),
                created("new-1", true),
                Outcome::OutOfStock,
                Outcome::UnknownSale,
            ]
        );
        let accepted: Vec<_> =
            plan.accepted.iter().map(|accepted| accepted.order.ticket_id.as_str()).collect();
        assert_eq!(accepted, ["shoes/1/2", "lunch/1/1", "shoes/1/4"]);
        assert_eq!(plan.taken().into_iter().collect::<Vec<_>>(), [(("shoes", 7), 5)]);
    }

    #[test]
    fn an_order_takes_the_stock_of_its_sales_creation() {
        let snapshot = snapshot([(creation("shoes", 7), Some(1)), (creation("shoes", 9), Some(2))]);
        let of = |ticket_id: &str, created_at| NewOrder {
            sale: creation("shoes", created_at),
            ..order(ticket_id, "shoes", 1)
        };
        let orders = [of("7/1", 7), of("7/2", 7), of("9/1", 9), of("?/1", 0), of("9/2", 9), of("8/1", 8)];
        let plan = plan(&orders, snapshot, String::new);
        let accepted: Vec<_> = plan
            .accepted
            .iter()
            .map(|accepted| (accepted.order.ticket_id.as_str(), accepted.sale_created_at))
            .collect();
        assert_eq!(accepted, [("7/1", 7), ("9/1", 9), ("?/1", 9)], "without a creation, the latest");
        let refused = [&plan.outcomes[1], &plan.outcomes[4], &plan.outcomes[5]];
        assert_eq!(refused, [&Outcome::OutOfStock, &Outcome::OutOfStock, &Outcome::UnknownSale]);
    }

    #[test]
    fn a_ticket_of_another_buyer_or_other_units_is_taken() {
        let mut snapshot = snapshot([(creation("shoes", 7), Some(9))]);
        snapshot.orders.extend([known("shoes/1/1", "old", 2)]);
        let of = |buyer_id: &str, units| NewOrder {
            buyer_id: buyer_id.to_owned(),
            ..order("shoes/1/1", "shoes", units)
        };
        let owner = TicketOwner { buyer_id: buyer_of("shoes/1/1"), units: 2 };
        let orders = [of("another", 2), of(&owner.buyer_id, 3), of(&owner.buyer_id, 2)];
        let taken = Outcome::TicketTaken(owner.clone());
        let plan = plan(&orders, snapshot, String::new);
        assert_eq!(plan.outcomes, [taken.clone(), taken, created("old", true)]);
        assert!(plan.accepted.is_empty());
    }

    #[test]
    fn a_buyer_has_one_live_order_of_each_creation_of_a_sale_with_stock() {
        let levels = [("shoes", 7, Some(9)), ("shoes", 9, Some(9)), ("lunch", 7, None)];
        let mut snapshot =
            snapshot(levels.map(|(sale_id, created_at, units)| (creation(sale_id, created_at), units)));
        let ada = BuyerKey { sale: creation("shoes", 7), buyer_id: "ada".to_owned() };
        snapshot.live.insert(ada, "shoes/7/1".to_owned());
        let of = |ticket_id: &str, sale_id, created_at, buyer_id: &str| NewOrder {
            sale: creation(sale_id, created_at),
            buyer_id: buyer_id.to_owned(),
            ..order(ticket_id, sale_id, 1)
        };
        let orders = [
            of("shoes/7/2", "shoes", 7, "ada"),
            of("shoes/9/1", "shoes", 9, "ada"),
            of("shoes/9/2", "shoes", 9, "ada"),
            of("lunch/7/1", "lunch", 7, "ada"),
            of("lunch/7/2", "lunch", 7, "ada"),
            of("shoes/7/3", "shoes", 7, "bob"),
        ];
        let already = |ticket_id: &str| Outcome::AlreadyOrdered { ticket_id: ticket_id.to_owned() };
        let new = || created("", false);
        let plan = plan(&orders, snapshot, String::new);
        assert_eq!(plan.outcomes, [already("shoes/7/1"), new(), already("shoes/9/1"), new(), new(), new()]);
    }

    proptest! {
        #[test]
        fn no_unit_is_sold_twice_and_none_is_withheld(
            requests in prop::collection::vec((0_u64..40, 0..3_usize, 1_u64..6), 0..60),
            stock in prop::array::uniform3(0_u64..40),
        ) {
            const SALES: [&str; 3] = ["shoes", "hats", "gloves"];
            let levels = SALES.iter().zip(stock).map(|(sale, units)| (creation(sale, 0), Some(units)));
            let snapshot = snapshot(levels);
            let orders: Vec<NewOrder> = requests
                .iter()
                .map(|(seq, sale, units)| order(&format!("ticket/1/{seq}"), SALES[*sale], *units))
                .collect();
            let mut ids = 0;
            let plan = plan(&orders, snapshot, || {
                ids += 1;
                ids.to_string()
            });

            prop_assert_eq!(plan.outcomes.len(), orders.len());
            let tickets: HashSet<&str> =
                plan.accepted.iter().map(|accepted| accepted.order.ticket_id.as_str()).collect();
            prop_assert_eq!(tickets.len(), plan.accepted.len());
            let taken = plan.taken();
            for (sale, units) in SALES.iter().zip(stock) {
                let taken = taken.get(&(*sale, 0)).copied().unwrap_or_default();
                prop_assert!(taken <= units);
                for (order, outcome) in orders.iter().zip(&plan.outcomes) {
                    if order.sale.sale_id == *sale && *outcome == Outcome::OutOfStock {
                        prop_assert!(order.units > units - taken, "{} would still have fitted", order.ticket_id);
                    }
                }
            }
        }
    }
}
