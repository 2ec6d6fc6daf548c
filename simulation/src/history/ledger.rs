//! I1 and I13: the cap, the stock and the sums of the ledger.

use super::{
    findings::Findings,
    model::{Count, History, Reading},
    rule::Rule,
};

pub(super) fn check(history: &History, found: &mut Findings) {
    for reading in &history.readings {
        check_reading(reading, found);
    }
    check_orders(history, found);
}

fn check_reading(reading: &Reading, found: &mut Findings) {
    let parts = [
        reading.waiting,
        reading.in_flight,
        reading.ordered,
        reading.rejected,
        reading.cancelled,
        reading.expired,
        reading.released,
        reading.dead,
    ];
    let total = Count {
        tickets: parts.iter().map(|part| part.tickets).sum(),
        units: parts.iter().map(|part| part.units).sum(),
    };
    if total != reading.admitted {
        found.add(Rule::I13, reading.at, &[], || {
            format!("{:?} were admitted, and the parts of the ledger add up to {total:?}", reading.admitted)
        });
    }
    let committed = reading.in_flight.units + reading.ordered.units + reading.dead.units;
    let Some(stock) = reading.stock else { return };
    let reconciled = reading.reconciled.units;
    if committed > stock.saturating_add(reconciled) {
        found.add(Rule::I1, reading.at, &[], || {
            format!("{committed} units are ordered, in flight or dead; the stock is {stock}")
        });
    }
    let held = committed + reading.waiting.units;
    if held > reading.cap.saturating_add(reconciled) {
        found.add(Rule::I1, reading.at, &[], || format!("{held} units are held; the cap is {}", reading.cap));
    }
}

/// Units with an order, by the order book.
fn check_orders(history: &History, found: &mut Findings) {
    let Some(stock) = history.sale.stock else { return };
    let mut changes: Vec<(u64, bool, u64, &str)> = Vec::new();
    for order in &history.orders {
        changes.push((order.created_at, true, order.units, &order.buyer));
        if let Some(at) = order.released_at {
            changes.push((at, false, order.units, &order.buyer));
        }
    }
    // Of changes at one time the releases come first.
    changes.sort_unstable();
    let mut ordered = 0_u64;
    for (at, created, units, buyer) in changes {
        if !created {
            ordered = ordered.saturating_sub(units);
            continue;
        }
        ordered += units;
        if ordered > stock {
            found.add(Rule::I1, at, &[buyer], || {
                format!("{ordered} units have an order with that of {buyer}; the stock is {stock}")
            });
        }
    }
}
