//! The charts of a run.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{
    Report,
    chart::{
        AreaChart, Axis, Bar, BarChart, Chart, Colour, Column, HeatMap, Layer, Line, LineChart, Stroke, Unit,
    },
    format,
    measured::per_second,
};
use crate::measure::{Code, Interval, Latencies, Quantile as _, Results};

/// Maximum number of columns of a heat map: more would be narrower than a cell is high.
const MAX_COLUMNS: usize = 170;

/// Bars of the histogram for each power of ten.
const BARS_PER_DECADE: f64 = 16.0;

/// The part of an interval that must have passed for its rates to be shown: shorter ones are too noisy.
const MIN_SHARE: f64 = 0.5;

/// The charts of a run, in the order of the page. None of a run without calls.
pub(super) fn plots(report: &Report) -> Vec<Box<dyn Chart>> {
    let results = &report.results;
    if results.timeline.intervals().iter().all(|interval| interval.ended() == 0) {
        return Vec::new();
    }
    let latencies = results.latencies(report.count_errors);
    let mut plots: Vec<Box<dyn Chart>> = vec![
        Box::new(latency_over_time(results)),
        Box::new(throughput_over_time(results)),
        Box::new(heat_map(results)),
        Box::new(in_flight_over_time(results)),
    ];
    if latencies.count() > 0 {
        plots.push(Box::new(percentiles(results, &latencies)));
        plots.push(Box::new(histogram(&latencies.from_planned)));
    }
    if results.timeline.intervals().iter().any(|interval| interval.ended() > interval.ok()) {
        plots.push(Box::new(outcomes_over_time(results)));
    }
    plots
}

fn latency_axis() -> Axis {
    Axis::new("latency", Unit::Latency).logarithmic()
}

fn from_when(results: &Results) -> &'static str {
    if results.open_loop { "From the planned time of each call" } else { "From the sending of each call" }
}

fn latency_over_time(results: &Results) -> LineChart {
    let curve = |value: &dyn Fn(&Histogram<u64>) -> u64| -> Vec<(f64, f64)> {
        let of = |interval: &Interval| match interval.latencies.is_empty() {
            true => f64::NAN,
            false => Duration::from_micros(value(&interval.latencies)).as_secs_f64(),
        };
        let intervals = results.timeline.intervals().iter();
        intervals.map(|interval| (interval.start.as_secs_f64(), of(interval))).collect()
    };
    let width = format::latency(results.timeline.width());
    let subtitle = format!("{}, in parts of {width}; failed calls included.", from_when(results));
    let mut chart = LineChart::new("Latency over time", Axis::elapsed(), latency_axis()).subtitle(subtitle);
    let quantiles = [(0.5, Colour::Teal), (0.9, Colour::Blue), (0.99, Colour::Violet)];
    for (quantile, colour) in quantiles {
        let points = curve(&|latencies| latencies.value_at_quantile(quantile));
        chart = chart.line(Line::new(format::percentile(quantile), colour, points));
    }
    chart = chart.line(Line::new("max", Colour::Red, curve(&|latencies| latencies.max())));
    with_warm_up(chart, results)
}

fn throughput_over_time(results: &Results) -> LineChart {
    let curve = |count: &dyn Fn(&Interval) -> u64| -> Vec<(f64, f64)> {
        measured(results)
            .map(|(interval, passed)| (interval.start.as_secs_f64(), per_second(count(interval), passed)))
            .collect()
    };
    let chart = LineChart::new(
        "Throughput over time",
        Axis::elapsed(),
        Axis::new("calls per second", Unit::PerSecond),
    )
    .subtitle("Calls that were sent, and calls that ended.")
    .line(Line::new("ended with OK", Colour::Green, curve(&Interval::ok)).stroke(Stroke::Filled))
    .line(Line::new("failed", Colour::Red, curve(&|part| part.ended() - part.ok())))
    .line(Line::new("sent", Colour::Grey, curve(&|part| part.sent)).stroke(Stroke::Dashed));
    with_warm_up(chart, results)
}

fn in_flight_over_time(results: &Results) -> LineChart {
    let points = measured(results)
        .map(|(interval, passed)| {
            (interval.start.as_secs_f64(), interval.busy.as_secs_f64() / passed.as_secs_f64())
        })
        .collect();
    LineChart::new("In flight over time", Axis::elapsed(), Axis::new("calls in flight", Unit::Count))
        .subtitle("Sent and not yet answered, on average.")
        .line(Line::new("in flight", Colour::Blue, points).stroke(Stroke::Filled))
}

fn heat_map(results: &Results) -> HeatMap {
    let intervals = results.timeline.intervals();
    let width = results.timeline.width().as_secs_f64();
    let column = |chunk: &[Interval]| {
        let mut whole = Interval::new(Duration::ZERO);
        chunk.iter().for_each(|interval| whole.merge(interval));
        let from = chunk.first().map_or(0.0, |first| first.start.as_secs_f64());
        let to = chunk.last().map_or(from, |last| last.start.as_secs_f64() + width);
        let value = |step: u64| Duration::from_micros(step).as_secs_f64();
        let steps = whole.latencies.iter_recorded();
        Column {
            from,
            to,
            values: steps.map(|step| (value(step.value_iterated_to()), step.count_at_value())).collect(),
        }
    };
    let each = intervals.len().div_ceil(MAX_COLUMNS).max(1);
    HeatMap {
        title: "Where calls lie".to_owned(),
        subtitle: "The stronger the colour, the more calls took so long at that time.".to_owned(),
        x: Axis::elapsed(),
        y: latency_axis(),
        columns: intervals.chunks(each).map(column).collect(),
    }
}

fn percentiles(results: &Results, latencies: &Latencies) -> LineChart {
    let curve = |histogram: &Histogram<u64>| -> Vec<(f64, f64)> {
        let quantiles = quantiles_of(histogram.len());
        quantiles.into_iter().map(|quantile| (quantile, histogram.at(quantile).as_secs_f64())).collect()
    };
    let chart = LineChart::new("Percentiles", Axis::quantile(), latency_axis());
    if !results.open_loop {
        return chart.subtitle("How slow the slowest are, and how many are that slow.").line(Line::new(
            "latency",
            Colour::Blue,
            curve(&latencies.service),
        ));
    }
    chart
        .subtitle("Where the curves part, calls waited for the server before they could be sent.")
        .line(Line::new("from planned time", Colour::Blue, curve(&latencies.from_planned)))
        .line(Line::new("service time", Colour::Teal, curve(&latencies.service)).stroke(Stroke::Dashed))
}

/// Quantiles evenly apart in how rare what exceeds them is, as far as there are calls that do.
fn quantiles_of(count: u64) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm is drawn")]
    let rarest = (count.max(10) as f64).log10().min(6.0);
    let steps = 160;
    (0..=steps).map(|step| 1.0 - 10_f64.powf(-rarest * f64::from(step) / f64::from(steps))).collect()
}

fn histogram(latencies: &Histogram<u64>) -> BarChart {
    let mut bars: Vec<Bar> = Vec::new();
    for step in latencies.iter_recorded() {
        let value = Duration::from_nanos(latencies.lowest_equivalent(step.value_iterated_to())).as_secs_f64();
        let place = (value.log10() * BARS_PER_DECADE).floor();
        let from = 10_f64.powf(place / BARS_PER_DECADE);
        let to = 10_f64.powf((place + 1.0) / BARS_PER_DECADE);
        #[expect(clippy::cast_precision_loss, reason = "a count is drawn")]
        let count = step.count_at_value() as f64;
        match bars.last_mut() {
            Some(bar) if bar.from >= from => bar.value += count,
            _ => bars.push(Bar { from, to, value: count }),
        }
    }
    let marked = [0.5, 0.99, 0.999];
    let moment = |quantile: f64| (latencies.at(quantile).as_secs_f64(), format::percentile(quantile));
    BarChart {
        title: "Histogram".to_owned(),
        subtitle: "How many calls took how long, from their planned time.".to_owned(),
        x: latency_axis(),
        y: Axis::new("calls", Unit::Count),
        colour: Colour::Blue,
        bars,
        moments: marked.into_iter().map(moment).collect(),
    }
}

fn outcomes_over_time(results: &Results) -> AreaChart {
    let parts: Vec<(&Interval, Duration)> = measured(results).collect();
    let layer = |(code, colour): (Code, Colour)| Layer {
        name: code.name().to_owned(),
        colour,
        values: parts.iter().map(|(part, passed)| per_second(part.codes[code.index()], *passed)).collect(),
    };
    let total = |code: &Code| -> u64 { parts.iter().map(|(part, _)| part.codes[code.index()]).sum() };
    let mut failures: Vec<Code> =
        Code::ALL.into_iter().filter(|code| *code != Code::Ok && total(code) > 0).collect();
    failures.sort_by_key(|code| std::cmp::Reverse(total(code)));
    let colours = [Colour::Red, Colour::Amber, Colour::Violet, Colour::Pink, Colour::Teal, Colour::Blue];
    AreaChart {
        title: "Failures over time".to_owned(),
        subtitle: "By status code; calls that ended with OK are left out.".to_owned(),
        x: Axis::elapsed(),
        y: Axis::new("calls per second", Unit::PerSecond),
        places: parts.iter().map(|(part, _)| part.start.as_secs_f64()).collect(),
        layers: failures
            .into_iter()
            .zip(colours.into_iter().chain(std::iter::repeat(Colour::Grey)))
            .map(layer)
            .collect(),
    }
}

/// The intervals that are long enough for a rate, and how much of each has passed: the last one may end early.
fn measured(results: &Results) -> impl Iterator<Item = (&Interval, Duration)> {
    let width = results.timeline.width();
    let passed = move |interval: &Interval| width.min(results.took.saturating_sub(interval.start));
    let intervals = results.timeline.intervals().iter();
    intervals
        .map(move |interval| (interval, passed(interval)))
        .filter(move |(_, passed)| passed.as_secs_f64() >= width.as_secs_f64() * MIN_SHARE)
}

fn with_warm_up(chart: LineChart, results: &Results) -> LineChart {
    if results.warm_up.is_zero() {
        return chart;
    }
    chart.moment(results.warm_up.as_secs_f64(), "warm-up ends")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart::Size, fixture};

    #[test]
    fn a_run_with_failures_has_all_charts_and_one_without_calls_has_none() {
        let mut report = fixture::report();
        let drawn: Vec<String> =
            plots(&report).iter().map(|chart| chart.draw(Size::new(500.0, 300.0)).file()).collect();
        let titles = [
            "Latency over time",
            "Throughput over time",
            "Where calls lie",
            "In flight over time",
            "Percentiles",
            "Histogram",
            "Failures over time",
        ];
        assert_eq!(drawn.len(), titles.len());
        for (drawing, title) in drawn.iter().zip(titles) {
            assert!(drawing.contains(&format!("<title>{title}</title>")), "{title}: {drawing}");
        }
        report.results = Results::new(report.results.started, true, Duration::from_secs(1), 0);
        assert!(plots(&report).is_empty());
    }

    #[test]
    fn the_histogram_has_every_call_once() {
        let chart = histogram(&fixture::results().ok.from_planned);
        assert!((chart.bars.iter().map(|bar| bar.value).sum::<f64>() - 990.0).abs() < 1e-9);
        assert!(chart.bars.windows(2).all(|pair| pair[0].to <= pair[1].from * (1.0 + 1e-9)));
    }
}
