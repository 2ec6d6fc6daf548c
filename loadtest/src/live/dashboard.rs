//! What a terminal shows: title and progress, figures of the last second, latency heat, rate, outcomes.

use std::time::Duration;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{LineGauge, Sparkline, Widget as _},
};

use super::{Scene, heat, recent::Recent};
use crate::{
    measure::{Code, Timeline},
    report::figure,
};

/// Lines of the heat of latencies.
const HEAT: u16 = 10;

/// All lines.
pub(super) const HEIGHT: u16 = HEAT + 8;

/// Draws a moment of a run.
pub(super) fn draw(title: &str, scene: &Scene<'_>, buffer: &mut Buffer) {
    let area = buffer.area;
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(HEAT),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [head, progress, _, figures, heat, rate, outcomes, notes] = rows.areas(area);
    let recent = Recent::new(scene.timeline, scene.elapsed, scene.over);
    draw_head(title, scene, buffer, head);
    draw_progress(scene, buffer, progress);
    figures_line(&recent).render(figures, buffer);
    let cells = heat::lines(scene.timeline, usize::from(heat.width), usize::from(heat.height));
    ratatui::text::Text::from(cells).render(heat, buffer);
    draw_rate(scene.timeline, buffer, rate);
    outcomes_line(scene.timeline).render(outcomes, buffer);
    notes_line(scene).render(notes, buffer);
}

fn draw_head(title: &str, scene: &Scene<'_>, buffer: &mut Buffer, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let time = figure::span(Duration::from_secs(scene.elapsed.as_secs()));
    let state = if scene.over { "ended after" } else { "running for" };
    let title = Span::styled(title.replace(char::is_control, " "), bold);
    Line::from(title).render(area, buffer);
    Line::from(format!(" {state} {time}")).right_aligned().render(area, buffer);
}

fn draw_progress(scene: &Scene<'_>, buffer: &mut Buffer, area: Rect) {
    let Some(done) = scene.done else { return };
    let gauge = LineGauge::default()
        .ratio(done)
        .label(format!("{:>3.0}%", done * 100.0))
        .filled_symbol("━")
        .unfilled_symbol("─")
        .filled_style(Style::new().fg(Color::Cyan))
        .unfilled_style(Style::new().fg(Color::DarkGray));
    gauge.render(area, buffer);
}

/// The figures of the last second.
fn figures_line(recent: &Recent) -> Line<'static> {
    let mut spans = Vec::new();
    for (name, value) in [
        ("rate", format!("{}/s", figure::amount(recent.rate))),
        ("in flight", figure::amount(recent.in_flight.round())),
        ("p50", figure::latency(recent.latency(0.5))),
        ("p99", figure::latency(recent.latency(0.99))),
        ("max", figure::latency(recent.slowest())),
    ] {
        add_figure(&mut spans, name, value, Style::new().add_modifier(Modifier::BOLD));
    }
    Line::from(spans)
}

fn draw_rate(timeline: &Timeline, buffer: &mut Buffer, area: Rect) {
    let [label, bars] = Layout::horizontal([Constraint::Length(9), Constraint::Fill(1)]).areas(area);
    Line::styled("   rate", Style::new().fg(Color::DarkGray)).render(label, buffer);
    let intervals = timeline.intervals();
    let each = intervals.len().div_ceil(usize::from(bars.width).max(1)).max(1);
    let ended =
        intervals.chunks(each).map(|chunk| chunk.iter().map(crate::measure::Interval::ended).sum::<u64>());
    let bars_of = Sparkline::default().data(ended.collect::<Vec<u64>>()).style(Style::new().fg(Color::Cyan));
    bars_of.render(bars, buffer);
}

/// How calls ended so far, the most frequent outcome first.
fn outcomes_line(timeline: &Timeline) -> Line<'static> {
    let total = |code: &Code| timeline.intervals().iter().map(|part| part.codes[code.index()]).sum::<u64>();
    let mut counts: Vec<(Code, u64)> = Code::ALL.iter().map(|code| (*code, total(code))).collect();
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut spans = Vec::new();
    for (code, count) in counts {
        let colour = if code == Code::Ok { Color::Green } else { Color::Red };
        let share = figure::share(figure::ratio(count, all));
        add_figure(
            &mut spans,
            code.name(),
            format!("{} ({share})", figure::count(count)),
            Style::new().fg(colour),
        );
    }
    Line::from(spans)
}

fn notes_line(scene: &Scene<'_>) -> Line<'static> {
    let mut spans = Vec::new();
    for (name, value) in scene.notes {
        add_figure(&mut spans, name, value.clone(), Style::new().add_modifier(Modifier::BOLD));
    }
    Line::from(spans)
}

fn add_figure(spans: &mut Vec<Span<'static>>, name: &str, value: String, style: Style) {
    spans.push(Span::styled(format!("{name} "), Style::new().fg(Color::DarkGray)));
    spans.push(Span::styled(value, style));
    spans.push(Span::raw("   "));
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Cell;

    use super::*;
    use crate::report::fixture;

    #[test]
    fn it_shows_progress_figures_heat_and_outcomes() {
        let timeline = fixture::results().timeline;
        let notes = [("sold", "1,200 of 2,000".to_owned())];
        let scene = Scene {
            elapsed: Duration::from_secs(10),
            timeline: &timeline,
            done: Some(0.5),
            notes: &notes,
            over: false,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, HEIGHT));
        draw("greet.Greeter.Hello", &scene, &mut buffer);
        let screen: String = buffer.content().iter().map(Cell::symbol).collect();
        for part in [
            "greet.Greeter.Hello",
            "running for 10 s",
            " 50%",
            "rate 100/s",
            "OK 990 (99%)",
            "Unavailable 10 (1%)",
            "sold 1,200 of 2,000",
            "1 ms ",
            "▓",
        ] {
            assert!(screen.contains(part), "{part} is not in\n{screen}");
        }
    }

    #[test]
    fn it_fits_the_smallest_terminal() {
        let timeline = fixture::results().timeline;
        let scene =
            Scene { elapsed: Duration::ZERO, timeline: &timeline, done: None, notes: &[], over: true };
        for (width, height) in [(1, 1), (5, 30), (200, 2)] {
            draw("x", &scene, &mut Buffer::empty(Rect::new(0, 0, width, height)));
        }
    }
}
