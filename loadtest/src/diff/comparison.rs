//! What differs between two runs, and how sure that is.

use serde::Serialize;

use super::{
    bootstrap::Replicates,
    figures,
    run::{Kind, Run},
    table::percent,
};
use crate::{
    report::figure as text,
    threshold::{Figure, Kind as Number, Statistic},
};

/// A latency's change below this is within what a run's timeline can tell apart.
const LATENCY_RESOLUTION: f64 = 0.01;

/// A rate's change below this is within what the length of a run is known by.
const RATE_RESOLUTION: f64 = 0.001;

/// In so many pieces of each run calls have to exceed a percentile before anything is said about it: if all that exceed it
/// were in one pause, they are one event, however many they are.
const FEWEST_PLACES: usize = 5;

/// Two runs compared.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// How sure it is, from 0 to 1, that none of the intervals misses.
    pub confidence: f64,
    /// What keeps the comparison from meaning what it seems to.
    pub warnings: Vec<String>,
    /// One for each figure.
    pub rows: Vec<Row>,
}

/// A figure of both runs.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is called; thresholds know it by the same name.
    pub name: String,
    #[serde(skip)]
    pub(super) figure: Figure,
    /// Its value in the first run: seconds, calls per second, or a share from 0 to 1.
    pub before: Option<f64>,
    /// Its value in the second run.
    pub after: Option<f64>,
    /// Its change, as a share of the first value; none if that was 0.
    pub change: Option<f64>,
    /// Where the change lies; for errors, where the difference of the shares lies.
    pub interval: Option<Interval>,
    /// What that means.
    pub verdict: Verdict,
}

/// From where to where a change lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What is shown of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is lower in the second run.
    Lower,
    /// It is higher in the second run.
    Higher,
    /// Chance explains what differs, or nothing does.
    NoDifference,
    /// A run is too short for anything to be said.
    TooShort,
    /// Calls exceed this percentile at too few moments.
    TooRare,
    /// It is the figure of a single call, of which nothing can be said.
    SingleCall,
    /// There is no such figure.
    Missing,
}

/// Compares two runs. All intervals together hold with `confidence`, so each is wider than it would be alone
/// (Bonferroni's correction).
pub fn compare(before: &Run, after: &Run, confidence: f64) -> Comparison {
    let figures = figures();
    let of: Vec<Figure> = figures.iter().map(|(_, figure)| *figure).collect();
    let replicates = Replicates::draw(&before.pieces, &after.pieces, &of);
    let judged = of.iter().filter(|figure| judgement(**figure, before, after).is_none()).count().max(1);
    #[expect(clippy::cast_precision_loss, reason = "there are few figures")]
    let miss = (1.0 - confidence) / judged as f64;
    let row = |(place, (name, figure)): (usize, (String, Figure))| {
        let (old, new) = (before.value(figure), after.value(figure));
        let hindrance = judgement(figure, before, after);
        let interval = match (&replicates, hindrance) {
            (Some(replicates), None) => interval(&replicates.changes(place, measure(figure)), miss),
            _ => None,
        };
        let verdict = hindrance.unwrap_or_else(|| interval.map_or(Verdict::TooShort, |at| shown(figure, at)));
        let change = old.zip(new).filter(|(old, _)| *old > 0.0).map(|(old, new)| relative(old, new));
        Row { name, figure, before: old, after: new, change, interval, verdict }
    };
    let rows = figures.into_iter().enumerate().map(row).collect();
    Comparison { confidence, warnings: warnings(before, after, replicates.is_some()), rows }
}

/// Why nothing can be said of a figure, however long the runs are.
fn judgement(figure: Figure, before: &Run, after: &Run) -> Option<Verdict> {
    match figure {
        _ if before.count == 0 || after.count == 0 => Some(Verdict::Missing),
        Figure::Latency(_, Statistic::Greatest | Statistic::Least) => Some(Verdict::SingleCall),
        Figure::Latency(_, Statistic::Quantile(quantile)) => {
            let places = before.places_beyond(quantile).min(after.places_beyond(quantile));
            (places < FEWEST_PLACES).then_some(Verdict::TooRare)
        }
        Figure::Latency(_, Statistic::Mean)
        | Figure::Rate
        | Figure::Count
        | Figure::Errors
        | Figure::Late
        | Figure::Unsent
        | Figure::Code(_) => None,
    }
}

/// How a figure's change is measured: errors may have been none, so theirs is a difference.
fn measure(figure: Figure) -> fn(f64, f64) -> f64 {
    if figure == Figure::Errors { |before, after| after - before } else { relative }
}

fn relative(before: f64, after: f64) -> f64 {
    if before > 0.0 { after / before - 1.0 } else { 0.0 }
}

/// The middle of all changes, so that the share `miss` lies outside of it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among a few thousand"
)]
fn interval(changes: &[f64], miss: f64) -> Option<Interval> {
    let last = changes.len().checked_sub(1)?;
    let outside = (changes.len() as f64 * miss / 2.0).floor() as usize;
    Some(Interval { low: *changes.get(outside)?, high: *changes.get(last.checked_sub(outside)?)? })
}

fn shown(figure: Figure, interval: Interval) -> Verdict {
    let resolution = match figure.kind() {
        Number::Latency => LATENCY_RESOLUTION,
        Number::Rate => RATE_RESOLUTION,
        Number::Calls => 0.0,
    };
    match interval {
        Interval { low, .. } if low > resolution => Verdict::Higher,
        Interval { high, .. } if high < -resolution => Verdict::Lower,
        _ => Verdict::NoDifference,
    }
}

fn warnings(before: &Run, after: &Run, long_enough: bool) -> Vec<String> {
    let Kind { call, open_loop } = &before.kind;
    let mut warnings = Vec::new();
    if *call != after.kind.call {
        warnings.push(format!("the runs called different methods: {call} and {}", after.kind.call));
    }
    if let (Some(before), Some(after)) = (open_loop, after.kind.open_loop)
        && *before != after
    {
        warnings.push(
            "one run was an open loop and the other a closed one: their latencies mean different things"
                .to_owned(),
        );
    }
    if before.failed + after.failed > 0 {
        warnings.push("calls failed; the latencies here are of all calls, also of those".to_owned());
    }
    if !long_enough {
        warnings.push(format!(
            "a run is too short to tell how it varies: it takes at least {} intervals of its timeline after the \
             warm-up, which is 5 s",
            super::bootstrap::FEWEST_PIECES
        ));
    }
    warnings
}

impl Row {
    /// A value with its unit.
    pub(super) fn text(&self, value: f64) -> String {
        match self.figure {
            Figure::Errors => text::share(value),
            figure => figure.kind().text(value),
        }
    }

    /// Where the change lies, as text.
    pub(super) fn interval_text(&self) -> Option<String> {
        let Interval { low, high } = self.interval?;
        if self.figure != Figure::Errors {
            return Some(format!("{} to {}", percent(low), percent(high)));
        }
        let points = |share| percent(share).trim_end_matches('%').to_owned();
        Some(format!("{} to {} points", points(low), points(high)))
    }

    /// What the verdict means for this figure.
    pub(super) fn verdict_text(&self) -> &'static str {
        let (higher, lower) = match self.figure {
            Figure::Latency(..) => ("slower", "faster"),
            Figure::Errors => ("more errors", "fewer errors"),
            _ => ("more", "less"),
        };
        match self.verdict {
            Verdict::Higher => higher,
            Verdict::Lower => lower,
            Verdict::NoDifference => "no difference shown",
            Verdict::TooShort => "too short to tell",
            Verdict::TooRare => "too rare to tell",
            Verdict::SingleCall => "a single call: not judged",
            Verdict::Missing => "no calls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::fixture;

    fn verdicts(before: &Run, after: &Run) -> Vec<(String, Verdict)> {
        compare(before, after, 0.95).rows.into_iter().map(|row| (row.name, row.verdict)).collect()
    }

    fn verdict(of: &str, verdicts: &[(String, Verdict)]) -> Verdict {
        verdicts.iter().find(|(name, _)| name == of).unwrap().1
    }

    #[test]
    fn runs_of_the_same_kind_show_no_difference() {
        for seed in [10, 20, 30, 40] {
            let found = verdicts(&fixture::run(seed, 1.0), &fixture::run(seed + 1, 1.0));
            let shown = [Verdict::Higher, Verdict::Lower];
            assert!(found.iter().all(|(_, verdict)| !shown.contains(verdict)), "{seed}: {found:?}");
        }
    }

    #[test]
    fn a_slow_down_by_a_tenth_is_found() {
        for seed in [10, 20] {
            let found = verdicts(&fixture::run(seed, 1.0), &fixture::run(seed + 1, 1.1));
            for name in ["mean", "p50", "p90", "p95"] {
                assert_eq!(verdict(name, &found), Verdict::Higher, "{seed} {name}: {found:?}");
            }
            assert_eq!(verdict("rps", &found), Verdict::NoDifference, "{found:?}");
            let back = verdicts(&fixture::run(seed, 1.1), &fixture::run(seed + 1, 1.0));
            assert_eq!(verdict("p50", &back), Verdict::Lower, "{back:?}");
        }
    }

    #[test]
    fn the_interval_holds_the_true_change() {
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, 1.1), 0.95);
        let p50 = comparison.rows.iter().find(|row| row.name == "p50").unwrap();
        let Interval { low, high } = p50.interval.unwrap();
        assert!(low < 0.1 && 0.1 < high && high - low < 0.08, "{low} to {high}");
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let found = verdicts(&fixture::run(1, 1.0), &fixture::run(2, 1.0));
        assert_eq!(verdict("max", &found), Verdict::SingleCall);
        assert_eq!(verdict("p99.99", &found), Verdict::TooRare);
        let short = fixture::short_run();
        let comparison = compare(&short, &fixture::run(2, 2.0), 0.95);
        assert!(comparison.rows.iter().all(|row| row.interval.is_none()));
        assert!(comparison.warnings.iter().any(|warning| warning.contains("too short")));
    }

    #[test]
    fn one_pause_is_one_event_however_many_calls_waited() {
        let found = verdicts(&fixture::run(1, 1.0), &fixture::paused_run(2));
        assert_eq!(verdict("p99.9", &found), Verdict::TooRare);
        assert_eq!(verdict("p50", &found), Verdict::NoDifference);
    }

    #[test]
    fn the_same_runs_give_the_same_answer() {
        let text =
            || serde_json::to_string(&compare(&fixture::run(1, 1.0), &fixture::run(2, 1.1), 0.95)).unwrap();
        assert_eq!(text(), text());
    }
}
