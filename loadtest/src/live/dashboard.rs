//! The dashboard of a run: title and progress, what it waits for, values of the last second, rate and p99 over time,
//! outcomes.

use std::time::Duration;

use inrush_report::{
    format,
    measure::{Code, Interval, Timeline},
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{LineGauge, Sparkline, Widget as _},
};

use super::{recent::Recent, view::Snapshot};

/// Heights of the rows, from top to bottom.
const ROWS: [u16; 8] = [1, 1, 1, 1, 2, 2, 1, 1];

/// Height of the dashboard in lines.
pub(super) const HEIGHT: u16 = 10;

/// Width of the labels at the left of the sparklines.
const LABEL_WIDTH: u16 = 9;

/// Draws the dashboard.
pub(super) fn draw(title: &str, snapshot: &Snapshot<'_>, buffer: &mut Buffer) {
    let rows = Layout::vertical(ROWS.map(Constraint::Length));
    let [head, progress, status, values, rate, latency, outcomes, notes] = rows.areas(buffer.area);
    let recent = Recent::new(snapshot.timeline, snapshot.elapsed, snapshot.over);
    draw_head(title, snapshot, buffer, head);
    draw_progress(snapshot, buffer, progress);
    Line::from(snapshot.status.unwrap_or_default()).render(status, buffer);
    values_line(&recent).render(values, buffer);
    draw_sparkline("rate", Color::Cyan, snapshot.timeline, Interval::ended, buffer, rate);
    draw_sparkline("p99", Color::Yellow, snapshot.timeline, p99, buffer, latency);
    outcomes_line(snapshot.timeline).render(outcomes, buffer);
    notes_line(snapshot).render(notes, buffer);
}

fn draw_head(title: &str, snapshot: &Snapshot<'_>, buffer: &mut Buffer, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let time = format::span(Duration::from_secs(snapshot.elapsed.as_secs()));
    let state = if snapshot.over { "ended after" } else { "running for" };
    let title = Span::styled(title.replace(char::is_control, " "), bold);
    Line::from(title).render(area, buffer);
    Line::from(format!(" {state} {time}")).right_aligned().render(area, buffer);
}

fn draw_progress(snapshot: &Snapshot<'_>, buffer: &mut Buffer, area: Rect) {
    let Some(done) = snapshot.done else { return };
    let gauge = LineGauge::default()
        .ratio(done)
        .label(format!("{:>3.0}%", done * 100.0))
        .filled_symbol("━")
        .unfilled_symbol("─")
        .filled_style(Style::new().fg(Color::Cyan))
        .unfilled_style(Style::new().fg(Color::DarkGray));
    gauge.render(area, buffer);
}

/// The values of the last second.
fn values_line(recent: &Recent) -> Line<'static> {
    let mut spans = Vec::new();
    for (name, value) in [
        ("rate", format!("{}/s", format::amount(recent.rate))),
        ("in flight", format::amount(recent.in_flight.round())),
        ("p50", format::latency(recent.latency(0.5))),
        ("p99", format::latency(recent.latency(0.99))),
        ("max", format::latency(recent.max_latency())),
    ] {
        push_value(&mut spans, name, value, Style::new().add_modifier(Modifier::BOLD));
    }
    Line::from(spans)
}

/// Draws a value of every interval. Several intervals share a column if there are more intervals than columns.
fn draw_sparkline(
    label: &str,
    colour: Color,
    timeline: &Timeline,
    value: fn(&Interval) -> u64,
    buffer: &mut Buffer,
    area: Rect,
) {
    let columns = Layout::horizontal([Constraint::Length(LABEL_WIDTH), Constraint::Fill(1)]);
    let [label_area, bars] = columns.areas(area);
    Line::styled(format!("{label:>7}"), Style::new().fg(Color::DarkGray)).render(label_area, buffer);
    let per_column = timeline.intervals().len().div_ceil(usize::from(bars.width).max(1)).max(1);
    let values = timeline.intervals().chunks(per_column).map(|chunk| {
        let mut sum = Interval::new(Duration::ZERO);
        chunk.iter().for_each(|interval| sum.merge(interval));
        value(&sum)
    });
    let sparkline = Sparkline::default().data(values.collect::<Vec<u64>>()).style(Style::new().fg(colour));
    sparkline.render(bars, buffer);
}

fn p99(interval: &Interval) -> u64 {
    interval.latencies.value_at_quantile(0.99)
}

/// The status codes so far, the most frequent one first.
fn outcomes_line(timeline: &Timeline) -> Line<'static> {
    let total = |code: &Code| timeline.intervals().iter().map(|part| part.codes[code.index()]).sum::<u64>();
    let mut counts: Vec<(Code, u64)> = Code::ALL.iter().map(|code| (*code, total(code))).collect();
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut spans = Vec::new();
    for (code, count) in counts {
        let colour = if code == Code::Ok { Color::Green } else { Color::Red };
        let share = format::share(format::ratio(count, all));
        let value = format!("{} ({share})", format::count(count));
        push_value(&mut spans, code.name(), value, Style::new().fg(colour));
    }
    Line::from(spans)
}

fn notes_line(snapshot: &Snapshot<'_>) -> Line<'static> {
    let mut spans = Vec::new();
    for (name, value) in snapshot.notes {
        push_value(&mut spans, name, value.clone(), Style::new().add_modifier(Modifier::BOLD));
    }
    Line::from(spans)
}

fn push_value(spans: &mut Vec<Span<'static>>, name: &str, value: String, style: Style) {
    spans.push(Span::styled(format!("{name} "), Style::new().fg(Color::DarkGray)));
    spans.push(Span::styled(value, style));
    spans.push(Span::raw("   "));
}

#[cfg(test)]
mod tests {
    use inrush_report::fixture;
    use ratatui::buffer::Cell;

    use super::*;

    #[test]
    fn the_dashboard_shows_progress_values_sparklines_and_outcomes() {
        let timeline = fixture::results().timeline;
        let notes = [("sold", "1,200 of 2,000".to_owned())];
        let snapshot = Snapshot {
            elapsed: Duration::from_secs(10),
            timeline: &timeline,
            done: Some(0.5),
            notes: &notes,
            status: Some("all sold: 5 buyers are on standby"),
            over: false,
        };
        assert_eq!(HEIGHT, ROWS.iter().sum::<u16>());
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, HEIGHT));
        draw("greet.Greeter.Hello", &snapshot, &mut buffer);
        let screen: String = buffer.content().iter().map(Cell::symbol).collect();
        for part in [
            "greet.Greeter.Hello",
            "running for 10 s",
            " 50%",
            "all sold: 5 buyers are on standby",
            "rate 100/s",
            "OK 990 (99%)",
            "Unavailable 10 (1%)",
            "sold 1,200 of 2,000",
            "   p99",
            "█",
        ] {
            assert!(screen.contains(part), "{part} is missing in\n{screen}");
        }
    }

    #[test]
    fn the_dashboard_fits_a_terminal_of_any_size() {
        let timeline = fixture::results().timeline;
        let snapshot = Snapshot {
            elapsed: Duration::ZERO,
            timeline: &timeline,
            done: None,
            notes: &[],
            status: None,
            over: true,
        };
        for (width, height) in [(1, 1), (5, 30), (200, 2)] {
            draw("x", &snapshot, &mut Buffer::empty(Rect::new(0, 0, width, height)));
        }
    }
}
