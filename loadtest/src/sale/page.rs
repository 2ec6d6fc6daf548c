//! A sale as one page of HTML.

use std::collections::BTreeMap;

use super::{
    checker::Check,
    run::SaleRun,
    summary::{rows, verdict},
};
use crate::{
    measure::{Quantile as _, Results},
    report::{
        chart::{Axis, Chart as _, Colour, Drawing, Line, LineChart, Size, Stroke, Unit},
        figure,
        markup::Markup,
    },
    rig::page::{document, picture, table},
};

/// How large a chart is.
const SIZE: Size = Size::new(960.0, 320.0);

/// The page.
pub fn page(run: &SaleRun) -> String {
    document(&format!("{}: flash sale {}", verdict(run), run.sale), |body| {
        body.text_element("h1", &[], format!("Flash sale {}", run.sale));
        let opened = humantime::format_rfc3339_seconds(run.opened);
        body.text_element("p", &[("class", &"lead")], format!("{}, opened at {opened}", run.server));
        let class = if run.passed() { "verdict good" } else { "verdict bad" };
        body.text_element("p", &[("class", &class)], verdict(run));
        body.text_element("h2", &[], "What was checked");
        checks(body, &run.checks);
        body.text_element("h2", &[], "What happened");
        let rows = rows(run);
        table(body, rows.iter().map(|(name, value, remark)| (*name, value.as_str(), remark.as_str())));
        body.text_element("h2", &[], "How it went");
        for drawing in [sold(run), outcomes(run), positions(run), latencies(run)] {
            picture(body, &drawing);
        }
    })
}

fn checks(body: &mut Markup, checks: &[Check]) {
    body.element("table", &[], |table| {
        for check in checks {
            table.element("tr", &[], |row| {
                row.text_element("th", &[], check.name);
                let class = if check.faults == 0 { "number good" } else { "number bad" };
                row.text_element("td", &[("class", &class)], figure::count(check.faults));
                row.element("td", &[("class", &"quiet")], |cell| {
                    cell.text(check.rests_on);
                    if !check.examples.is_empty() {
                        cell.element("ul", &[], |list| {
                            check.examples.iter().for_each(|example| list.text_element("li", &[], example));
                        });
                    }
                });
            });
        }
    });
}

/// A curve of the moments.
fn curve(run: &SaleRun, value: impl Fn(&super::shared::Moment) -> u64) -> Vec<(f64, f64)> {
    run.moments.iter().map(|moment| (moment.at_s, float(value(moment)))).collect()
}

fn sold(run: &SaleRun) -> Drawing {
    let units = curve(run, |moment| moment.ordered);
    LineChart::new("Waiting and sold", Axis::elapsed(), Axis::new("tickets and units", Unit::Count))
        .line(
            Line::new("tickets waiting", Colour::Amber, curve(run, |moment| moment.waiting))
                .stroke(Stroke::Filled),
        )
        .line(Line::new("tickets at the order system", Colour::Violet, curve(run, |moment| moment.in_flight)))
        .line(Line::new("units ordered", Colour::Teal, units))
        .level(float(run.scenario.units), "units on sale")
        .draw(SIZE)
}

fn outcomes(run: &SaleRun) -> Drawing {
    LineChart::new("Buyers", Axis::elapsed(), Axis::new("buyers", Unit::Count))
        .line(Line::new("arrived", Colour::Grey, curve(run, |moment| moment.arrived)).stroke(Stroke::Dashed))
        .line(Line::new("answered", Colour::Blue, curve(run, |moment| moment.answered)))
        .line(Line::new("refused", Colour::Red, curve(run, |moment| moment.refused)))
        .draw(SIZE)
}

/// The positions of some tickets, each a falling line.
fn positions(run: &SaleRun) -> Drawing {
    let mut tracks: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for &(ticket, at, position) in &run.measures.tracks {
        tracks.entry(ticket).or_default().push((at, float(position)));
    }
    let chart = LineChart::new("Positions", Axis::elapsed(), Axis::new("place in line", Unit::Count))
        .subtitle("Some tickets, each as often as its buyer was told; 0 once it was its turn.");
    let lines = tracks.into_iter().zip(Colour::ALL.into_iter().cycle());
    let chart = lines.fold(chart, |chart, ((ticket, mut points), colour)| {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        chart.line(Line::new(format!("ticket {}", figure::count(ticket)), colour, points))
    });
    chart.draw(SIZE)
}

fn latencies(run: &SaleRun) -> Drawing {
    let over_time = |results: &Results, quantile: f64| {
        let intervals = results.timeline.intervals().iter().filter(|interval| interval.ended() > 0);
        intervals
            .map(|interval| {
                // Microseconds are recorded where the trait reads nanoseconds.
                let latency = interval.latencies.at(quantile).as_secs_f64() * 1e3;
                (interval.start.as_secs_f64(), latency)
            })
            .collect::<Vec<_>>()
    };
    let y = Axis::new("latency from the planned time", Unit::Latency).logarithmic();
    LineChart::new("Latencies", Axis::elapsed(), y)
        .line(Line::new("Enqueue p50", Colour::Blue, over_time(&run.measures.enqueues, 0.5)))
        .line(Line::new("Enqueue p99", Colour::Violet, over_time(&run.measures.enqueues, 0.99)))
        .line(
            Line::new("PollStatus p50", Colour::Teal, over_time(&run.measures.polls, 0.5))
                .stroke(Stroke::Dashed),
        )
        .line(
            Line::new("PollStatus p99", Colour::Pink, over_time(&run.measures.polls, 0.99))
                .stroke(Stroke::Dashed),
        )
        .draw(SIZE)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a picture are far below 2⁵²")]
fn float(count: u64) -> f64 {
    count as f64
}
