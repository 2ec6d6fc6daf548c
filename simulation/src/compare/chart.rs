//! The chart of both sides.

use inrush_report::{
    chart::{Axis, Chart as _, Colour, Drawing, Line, LineChart, Panels, Size, Stroke, Unit},
    format::{amount, count, share, span},
};

use super::{
    run::Comparison,
    run_result::{RunResult, Second},
};

/// Size of the chart.
const SIZE: Size = Size::new(1_040.0, 640.0);

/// The chart: above how many buyers were served in each second, below how many had been by then.
pub fn comparison_chart(comparison: &Comparison) -> Drawing {
    let settings = &comparison.settings;
    let (straight, through) = comparison.shares();
    let subtitle = format!(
        "{} buyers within {} for {} units, {} times what the order system can serve ({} orders/s); each waits {} for an \
         answer and tries {} times more. Goodput: {} of capacity straight at it, {} through Inrush.",
        count(u64::from(settings.buyers())),
        span(settings.rush_lasts),
        count(settings.units),
        amount(settings.rush),
        amount(settings.capacity()),
        span(settings.timeout),
        settings.retries,
        share(straight),
        share(through),
    );
    let capacity = settings.capacity();
    Panels::new("The same rush, without and with a queue", subtitle)
        .row(vec![
            rates("Straight at the order system", &comparison.straight, capacity),
            rates("Through Inrush", &comparison.through, capacity),
        ])
        .row(vec![totals(&comparison.straight, settings.units), totals(&comparison.through, settings.units)])
        .draw(SIZE)
}

fn rates(title: &str, side: &RunResult, capacity: f64) -> LineChart {
    let rate = |value: fn(&Second) -> u64| {
        // Each second is drawn at its middle. The last one is not over.
        let seconds = side.seconds.iter().take(side.seconds.len().saturating_sub(1));
        seconds.zip(0_u32..).map(|(second, number)| (f64::from(number) + 0.5, float(value(second)))).collect()
    };
    LineChart::new(title, Axis::elapsed(), Axis::new("per second", Unit::PerSecond))
        .line(Line::new("orders made", Colour::Grey, rate(|second| second.made)).stroke(Stroke::Dashed))
        .line(Line::new("buyers served", Colour::Teal, rate(|second| second.served)).stroke(Stroke::Filled))
        .level(capacity, "capacity")
}

fn totals(side: &RunResult, units: u64) -> LineChart {
    let total = |value: fn(&Second) -> u64| {
        let mut sum = 0;
        let points = side.seconds.iter().zip(1_u32..).map(|(second, number)| {
            sum += value(second);
            (f64::from(number), float(sum))
        });
        [(0.0, 0.0)].into_iter().chain(points).collect()
    };
    LineChart::new("What became of buyers", Axis::elapsed(), Axis::new("buyers so far", Unit::Count))
        .line(Line::new("arrived", Colour::Grey, total(|second| second.arrived)).stroke(Stroke::Dashed))
        .line(Line::new("gave up", Colour::Red, total(|second| second.gave_up)))
        .line(Line::new("answer: sold out", Colour::Amber, total(|second| second.sold_out)))
        .line(Line::new("served", Colour::Teal, total(|second| second.served)).stroke(Stroke::Filled))
        .level(float(units), "units")
}

#[expect(clippy::cast_precision_loss, reason = "counts of a chart are far below 2⁵²")]
fn float(count: u64) -> f64 {
    count as f64
}
