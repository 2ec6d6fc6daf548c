//! Decides which orders of a batch the stock covers, without accessing the database.

use std::collections::{BTreeMap, HashMap};

use super::{NewOrder, Outcome, stock::Stock};

/// The data for the decision, all of it read under the lock on the stock rows.
pub(super) struct Snapshot {
    /// The stock of the sales.
    pub(super) stock: Stock,
    /// Order ids by ticket, of tickets that already have an order.
    pub(super) orders: HashMap<String, String>,
}

/// The orders to insert, and the outcomes to answer once they are committed.
pub(super) struct Plan<'a> {
    /// One for each order of the batch, in order.
    pub(super) outcomes: Vec<Outcome>,
    /// The orders to insert, in order.
    pub(super) accepted: Vec<Accepted<'a>>,
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
    let mut accepted = Vec::new();
    for order in orders {
        outcomes.push(match snapshot.orders.get(&order.ticket_id) {
            Some(order_id) => Outcome::Created { order_id: order_id.clone(), repeated: true },
            None => match reserve(&mut snapshot.stock, order) {
                Reservation::UnknownSale => Outcome::UnknownSale,
                Reservation::OutOfStock => Outcome::OutOfStock,
                Reservation::Reserved { sale_created_at, takes_stock } => {
                    let order_id = new_order_id();
                    snapshot.orders.insert(order.ticket_id.clone(), order_id.clone());
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
    Plan { outcomes, accepted }
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

enum Reservation {
    UnknownSale,
    OutOfStock,
    Reserved { sale_created_at: u64, takes_stock: bool },
}

fn reserve(stock: &mut Stock, order: &NewOrder) -> Reservation {
    let Some(sale_created_at) = stock.creation(&order.sale) else { return Reservation::UnknownSale };
    match stock.remaining(&order.sale.sale_id, sale_created_at) {
        None => Reservation::UnknownSale,
        Some(None) => Reservation::Reserved { sale_created_at, takes_stock: false },
        Some(Some(units)) => match units.checked_sub(order.units) {
            None => Reservation::OutOfStock,
            Some(left) => {
                *units = left;
                Reservation::Reserved { sale_created_at, takes_stock: true }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::{Snapshot, plan};
    use crate::order_store::{NewOrder, Outcome, Payment, SaleKey, stock::Stock};

    fn order(ticket_id: &str, sale_id: &str, units: u64) -> NewOrder {
        NewOrder {
            ticket_id: ticket_id.to_owned(),
            sale: sale_id.into(),
            seq: 1,
            buyer_id: "buyer".to_owned(),
            units,
            attempt: 1,
            payment: Payment::Paid,
        }
    }

    fn creation(sale_id: &str, created_at: u64) -> SaleKey {
        SaleKey { sale_id: sale_id.to_owned(), created_at }
    }

    fn stock(levels: impl IntoIterator<Item = (SaleKey, Option<u64>)>) -> Stock {
        let mut stock = Stock::default();
        levels.into_iter().for_each(|(sale, remaining)| stock.insert(sale, remaining));
        stock
    }

    fn created(order_id: &str, repeated: bool) -> Outcome {
        Outcome::Created { order_id: order_id.to_owned(), repeated }
    }

    #[test]
    fn orders_are_handled_in_turn_and_get_all_units_or_none() {
        let snapshot = Snapshot {
            stock: stock([(creation("shoes", 7), Some(5)), (creation("lunch", 0), None)]),
            orders: HashMap::from([("shoes/1/1".to_owned(), "old".to_owned())]),
        };
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
        let snapshot = Snapshot {
            stock: stock([(creation("shoes", 7), Some(1)), (creation("shoes", 9), Some(2))]),
            orders: HashMap::new(),
        };
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

    proptest! {
        #[test]
        fn no_unit_is_sold_twice_and_none_is_withheld(
            requests in prop::collection::vec((0_u64..40, 0..3_usize, 1_u64..6), 0..60),
            stock in prop::array::uniform3(0_u64..40),
        ) {
            const SALES: [&str; 3] = ["shoes", "hats", "gloves"];
            let levels = SALES.iter().zip(stock).map(|(sale, units)| (creation(sale, 0), Some(units)));
            let snapshot = Snapshot { stock: self::stock(levels), orders: HashMap::new() };
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
