//! A sale as one page of HTML: the checks, the course of the sale, and its Enqueue calls.

use std::{collections::BTreeMap, io};

use inrush_report::{
    chart::{Axis, Chart as _, Colour, Drawing, Line, LineChart, Size, Stroke, Unit},
    format,
    measure::{Quantile as _, Results},
    page::{Headline, Section, write_with},
};

use super::{
    checker::Check,
    run::SaleRun,
    shared::Moment,
    summary::{report, rows, verdict},
};

/// Sizes of a chart that spans the page, and of one that takes half of it.
const WIDE: Size = Size::new(1_060.0, 330.0);
const HALF: Size = Size::new(510.0, 330.0);

/// Writes the page.
///
/// # Errors
/// When it cannot be written.
pub fn page(run: &SaleRun, to: &mut dyn io::Write) -> io::Result<()> {
    write_with(&report(run, "Enqueue", &run.measures.enqueues), &[checks(run), timeline(run)], to)
}

/// The checks and their evidence.
fn checks(run: &SaleRun) -> Section {
    let headline = |check: &Check| Headline {
        name: check.name.to_owned(),
        value: format::count(check.faults),
        note: check.rests_on.to_owned(),
        alarming: check.faults > 0,
    };
    let mut table = vec![vec!["what went wrong".to_owned(), "for example".to_owned()]];
    for check in run.checks.iter().filter(|check| check.faults > 0) {
        table.extend(check.examples.iter().map(|example| vec![check.name.to_owned(), example.clone()]));
    }
    if table.len() == 1 {
        table.clear();
    }
    Section {
        title: format!("What was checked: {}", verdict(run)),
        text: if run.stuck { "Nothing changed any more: the sale was checked as it was." } else { "" }
            .to_owned(),
        headlines: run.checks.iter().map(headline).collect(),
        charts: Vec::new(),
        table,
    }
}

fn timeline(run: &SaleRun) -> Section {
    let head = ["", "", ""].map(str::to_owned).to_vec();
    let rows = rows(run).into_iter().map(|(name, value, note)| vec![name.to_owned(), value, note]);
    Section {
        title: "How the sale went".to_owned(),
        text: String::new(),
        headlines: Vec::new(),
        charts: vec![sold(run), buyers(run), positions(run), latencies(run)],
        table: [head].into_iter().chain(rows).collect(),
    }
}

fn sold(run: &SaleRun) -> Drawing {
    let waiting = curve(run, |moment| moment.waiting);
    LineChart::new("Waiting and sold", Axis::elapsed(), Axis::new("tickets, units", Unit::Count))
        .line(Line::new("tickets waiting", Colour::Amber, waiting).stroke(Stroke::Filled))
        .line(Line::new("at the order system", Colour::Violet, curve(run, |moment| moment.in_flight)))
        .line(Line::new("units ordered", Colour::Teal, curve(run, |moment| moment.ordered)))
        .level(float(run.scenario.units), "units on sale")
        .draw(HALF)
}

fn buyers(run: &SaleRun) -> Drawing {
    let arrived = curve(run, |moment| moment.arrived);
    LineChart::new("Buyers", Axis::elapsed(), Axis::new("buyers so far", Unit::Count))
        .line(Line::new("arrived", Colour::Grey, arrived).stroke(Stroke::Dashed))
        .line(Line::new("answered", Colour::Blue, curve(run, |moment| moment.answered)))
        .line(Line::new("refused", Colour::Red, curve(run, |moment| moment.refused)))
        .draw(HALF)
}

/// The positions of some tickets, each a falling line.
fn positions(run: &SaleRun) -> Drawing {
    let mut tracks: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for &(ticket, at, position) in &run.measures.tracks {
        tracks.entry(ticket).or_default().push((at, float(position)));
    }
    let chart = LineChart::new("Positions", Axis::elapsed(), Axis::new("position", Unit::Count))
        .subtitle("Some tickets, at every answer that its buyer got; 0 once it is being served.");
    let tracks = tracks.into_iter().zip(Colour::ALL.into_iter().cycle());
    let chart = tracks.fold(chart, |chart, ((ticket, mut points), colour)| {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        chart.line(Line::new(format::count(ticket), colour, points))
    });
    chart.draw(WIDE)
}

fn latencies(run: &SaleRun) -> Drawing {
    let over_time = |results: &Results, quantile: f64| {
        let intervals = results.timeline.intervals().iter().filter(|interval| interval.ended() > 0);
        let points = intervals.map(|interval| {
            // Intervals hold microseconds, where the trait reads nanoseconds.
            (interval.start.as_secs_f64(), interval.latencies.at(quantile).as_secs_f64() * 1e3)
        });
        points.collect()
    };
    let polls = &run.measures.polls;
    let open_loop = run.measures.enqueues.open_loop;
    let from = if open_loop { "from the planned time" } else { "from the sending" };
    let y = Axis::new(from, Unit::Latency).logarithmic();
    LineChart::new("Latencies of Enqueue and PollStatus", Axis::elapsed(), y)
        .line(Line::new("Enqueue p50", Colour::Blue, over_time(&run.measures.enqueues, 0.5)))
        .line(Line::new("Enqueue p99", Colour::Violet, over_time(&run.measures.enqueues, 0.99)))
        .line(Line::new("PollStatus p50", Colour::Teal, over_time(polls, 0.5)).stroke(Stroke::Dashed))
        .line(Line::new("PollStatus p99", Colour::Pink, over_time(polls, 0.99)).stroke(Stroke::Dashed))
        .draw(WIDE)
}

/// A curve of the moments.
fn curve(run: &SaleRun, value: impl Fn(&Moment) -> u64) -> Vec<(f64, f64)> {
    run.moments.iter().map(|moment| (moment.at_s, float(value(moment)))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a picture are far below 2⁵²")]
fn float(count: u64) -> f64 {
    count as f64
}
