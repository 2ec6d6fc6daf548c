//! The result of one rush.

use std::time::Duration;

use hdrhistogram::Histogram;
use inrush_report::measure::{Latencies, Results};
use serde::Serialize;

use super::{
    outcome::{BuyerOutcome, End, RushResult},
    settings::Settings,
};
use crate::order_system::{OrderRecord, OrderRecords};

/// One second of a rush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Second {
    /// Buyers who arrived in it.
    pub arrived: u64,
    /// Buyers who received their order in it.
    pub served: u64,
    /// Orders that were made in it.
    pub made: u64,
    /// Buyers who were refused in it because nothing is left.
    pub sold_out: u64,
    /// Buyers who gave up in it.
    pub gave_up: u64,
}

/// The result of one rush.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// Buyers who came.
    pub buyers: u64,
    /// Buyers who received their order.
    pub served: u64,
    /// Buyers who were refused because nothing is left.
    pub sold_out: u64,
    /// Buyers who left without an answer.
    pub gave_up: u64,
    /// Orders that were made.
    pub made: u64,
    /// Of those, orders whose buyers had left before the answer.
    pub abandoned_orders: u64,
    /// Calls that were made.
    pub calls: u64,
    /// Of those, calls that failed or took too long.
    pub failed_calls: u64,
    /// How long units could have been sold: until the last one was, or until the last buyer had left.
    pub window: Duration,
    /// Buyers served per second in that time.
    pub goodput: f64,
    /// From a buyer's arrival to its final answer, of those who had one.
    pub answers: Latencies,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// All calls.
    pub results: Results,
}

impl RunResult {
    /// The result from the outcomes of the buyers and the log of the order system, whose times are since the opening.
    pub(super) fn new(settings: &Settings, result: RushResult, written: &OrderRecords) -> Self {
        let RushResult { outcomes, calls } = result;
        let count = |end: End| outcomes.iter().filter(|outcome| outcome.end == end).count() as u64;
        let (served, made) = (count(End::Served), written.orders.len() as u64);
        let last_left = outcomes.iter().map(|outcome| outcome.ended).max().unwrap_or_default();
        let window = window(settings, &written.orders, last_left);
        let mut answers = Latencies::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.end != End::GaveUp) {
            let took = outcome.ended.saturating_sub(outcome.arrived);
            answers.record(took, took);
        }
        Self {
            buyers: outcomes.len() as u64,
            served,
            sold_out: count(End::SoldOut),
            gave_up: count(End::GaveUp),
            made,
            abandoned_orders: made.saturating_sub(served),
            calls: calls.count(),
            failed_calls: calls.failures(),
            window,
            goodput: per_second(served, window),
            answers,
            seconds: seconds(&outcomes, &written.orders),
            results: calls,
        }
    }

    /// From arrival to the final answer, of those who had one.
    pub fn time_to_answer(&self) -> &Histogram<u64> {
        &self.answers.from_planned
    }
}

/// At least the time that an order system needs when it is always busy, so that both sides compare.
fn window(settings: &Settings, orders: &[OrderRecord], last_left: Duration) -> Duration {
    let sold_out = orders.len() as u64 >= settings.units;
    let last_made = orders.iter().map(|order| order.at).max().unwrap_or_default();
    let end = if sold_out { last_made } else { last_left };
    end.max(settings.ideal_time())
}

fn seconds(outcomes: &[BuyerOutcome], orders: &[OrderRecord]) -> Vec<Second> {
    let mut seconds: Vec<Second> = Vec::new();
    let mut during = |at: Duration, count: fn(&mut Second)| {
        let place = usize::try_from(at.as_secs()).unwrap_or_default();
        if seconds.len() <= place {
            seconds.resize(place + 1, Second::default());
        }
        if let Some(second) = seconds.get_mut(place) {
            count(second);
        }
    };
    for outcome in outcomes {
        during(outcome.arrived, |second| second.arrived += 1);
        match outcome.end {
            End::Served => during(outcome.ended, |second| second.served += 1),
            End::SoldOut => during(outcome.ended, |second| second.sold_out += 1),
            End::GaveUp => during(outcome.ended, |second| second.gave_up += 1),
        }
    }
    for order in orders {
        during(order.at, |second| second.made += 1);
    }
    seconds
}

#[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn outcome(arrived: u64, ended: u64, end: End) -> BuyerOutcome {
        BuyerOutcome { arrived: Duration::from_millis(arrived), ended: Duration::from_millis(ended), end }
    }

    fn order(number: u64, at: u64) -> OrderRecord {
        let at = Duration::from_millis(at);
        OrderRecord {
            at,
            number,
            id_hash: 0,
            epoch: 1,
            seq: number,
            buyer: None,
            units: 1,
            caller_gone: false,
            released: false,
        }
    }

    fn side(units: u64, outcomes: Vec<BuyerOutcome>, orders: Vec<OrderRecord>) -> RunResult {
        let settings = Settings { units, workers: 1, service: Duration::from_secs(1), ..Settings::default() };
        let calls = Results::new(SystemTime::now(), true, Duration::from_secs(1), 0);
        let written = OrderRecords { orders, ..OrderRecords::default() };
        RunResult::new(&settings, RushResult { outcomes, calls }, &written)
    }

    #[test]
    fn goodput_counts_orders_that_buyers_received_while_units_were_left() {
        let outcomes = vec![
            outcome(0, 1_100, End::Served),
            outcome(100, 4_000, End::GaveUp),
            outcome(200, 9_000, End::GaveUp),
            outcome(300, 2_500, End::SoldOut),
        ];
        let side = side(2, outcomes, vec![order(1, 1_000), order(2, 5_000)]);
        assert_eq!((side.buyers, side.served, side.sold_out, side.gave_up), (4, 1, 1, 2));
        assert_eq!((side.made, side.abandoned_orders), (2, 1));
        // The last unit was sold after five seconds.
        assert_eq!(side.window, Duration::from_secs(5));
        assert!((side.goodput - 0.2).abs() < 1e-9);
        assert_eq!(side.answers.count(), 2);
        assert_eq!(side.seconds.len(), 10);
        assert_eq!(side.seconds[1], Second { served: 1, made: 1, ..Second::default() });
        assert_eq!((side.seconds[0].arrived, side.seconds[9].gave_up), (4, 1));
    }

    #[test]
    fn a_side_that_sells_few_units_quickly_has_a_low_rate() {
        let few = vec![outcome(0, 1_100, End::Served), outcome(0, 1_200, End::GaveUp)];
        // Ten units would take ten seconds.
        assert!((side(10, few, vec![order(1, 1_000)]).goodput - 0.1).abs() < 1e-9);
    }
}
