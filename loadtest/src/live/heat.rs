//! Latencies over time as cells: the more calls, the stronger the cell.

use std::time::Duration;

use ratatui::{
    style::{Color, Style},
    text::{Line, Span},
};

use crate::{
    measure::{Interval, Timeline},
    report::figure,
};

/// Signs from few calls to many, so that it can be read without colours, too.
const SIGNS: [&str; 4] = ["░", "▒", "▓", "█"];

/// Their colours, among the 256 that nearly all terminals have: low rows are good and blue, high ones red.
const FAST: [u8; 4] = [24, 31, 38, 45];
const SLOW: [u8; 4] = [130, 172, 208, 214];
const SLOWEST: [u8; 4] = [88, 124, 160, 196];

/// Rows of a latency for each power of ten.
const ROWS_PER_DECADE: f64 = 3.0;

/// Width of the labels at the left.
const LABEL: usize = 8;

/// The lines of a picture of this size, from high latencies to low ones.
pub(super) fn lines(timeline: &Timeline, width: usize, height: usize) -> Vec<Line<'static>> {
    let columns = columns(timeline, width.saturating_sub(LABEL + 2));
    let bottom = lowest_row(&columns);
    (0..height).rev().map(|above| line(&columns, bottom, above, height)).collect()
}

fn line(columns: &[Interval], bottom: i32, above: usize, height: usize) -> Line<'static> {
    let row = bottom + i32::try_from(above).unwrap_or(0);
    let last = above + 1 == height;
    // What is above the picture is in its highest row, what is below it in its lowest.
    let from = if above == 0 { 0 } else { microseconds(row) };
    let to = if last { u64::MAX } else { microseconds(row + 1).saturating_sub(1) };
    let label = if row.rem_euclid(3) == 0 { label(row) } else { String::new() };
    let mut spans = vec![Span::styled(format!("{label:>LABEL$} "), Style::new().fg(Color::DarkGray))];
    spans.extend(columns.iter().map(|column| cell(column, from, to, row)));
    Line::from(spans)
}

fn label(row: i32) -> String {
    figure::latency(Duration::from_micros(microseconds(row)))
}

fn cell(column: &Interval, from: u64, to: u64, row: i32) -> Span<'static> {
    let calls = count_between(column, from, to);
    if calls == 0 {
        return Span::raw(" ");
    }
    let share = figure::ratio(calls, column.ended());
    let strength = match share {
        _ if share < 0.01 => 0,
        _ if share < 0.1 => 1,
        _ if share < 0.3 => 2,
        _ => 3,
    };
    let colours = match microseconds(row) {
        0..20_000 => FAST,
        20_000..200_000 => SLOW,
        _ => SLOWEST,
    };
    Span::styled(SIGNS[strength], Style::new().fg(Color::Indexed(colours[strength])))
}

fn count_between(column: &Interval, from: u64, to: u64) -> u64 {
    let within = |value: u64| (from..=to).contains(&value);
    column
        .latencies
        .iter_recorded()
        .filter(|step| within(column.latencies.lowest_equivalent(step.value_iterated_to())))
        .map(|step| step.count_at_value())
        .sum()
}

/// The timeline in at most so many columns, each of as many intervals as it takes.
fn columns(timeline: &Timeline, most: usize) -> Vec<Interval> {
    let intervals = timeline.intervals();
    let each = intervals.len().div_ceil(most.max(1)).max(1);
    let joined = |chunk: &[Interval]| {
        let mut column = Interval::new(Duration::ZERO);
        chunk.iter().for_each(|interval| column.merge(interval));
        column
    };
    intervals.chunks(each).map(joined).collect()
}

/// The row of the fastest tenth of the calls of the fastest column.
fn lowest_row(columns: &[Interval]) -> i32 {
    let fastest = columns.iter().filter(|column| column.ended() > 0);
    fastest.map(|column| row(column.latencies.value_at_quantile(0.1))).min().unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a logarithm is small")]
fn row(microseconds: u64) -> i32 {
    // A little more than the row's own limit, so that rounding does not put it a row lower.
    ((microseconds.max(1) as f64).log10() * ROWS_PER_DECADE + 1e-6).floor() as i32
}

/// Where a row begins.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and is positive"
)]
fn microseconds(row: i32) -> u64 {
    (10_f64.powf(f64::from(row) / ROWS_PER_DECADE) - 1e-6).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn every_call_is_in_one_row() {
        let timeline = fixture::results().timeline;
        let columns = columns(&timeline, 10);
        assert_eq!(columns.len(), 10);
        let bottom = lowest_row(&columns);
        for column in &columns {
            let mut seen = 0;
            for above in 0..4_usize {
                let row = bottom + i32::try_from(above).unwrap();
                let from = if above == 0 { 0 } else { microseconds(row) };
                let to = if above == 3 { u64::MAX } else { microseconds(row + 1) - 1 };
                seen += count_between(column, from, to);
            }
            assert_eq!(seen, column.ended());
        }
    }

    #[test]
    fn rows_begin_where_the_label_says() {
        for number in 0..18 {
            assert_eq!(row(microseconds(number)), number);
        }
    }
}
