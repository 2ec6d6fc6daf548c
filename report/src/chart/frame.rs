//! What surrounds the curves of every chart: title, legend, grid and axes.

use std::fmt::Display;

use super::{
    axis::{Axis, Scale},
    colour::Colour,
    drawing::{Area, Drawing, Pixel, Size},
    text::{self, Anchor, Style},
    theme::{BASE, GRID},
};
use crate::markup::Markup;

const TITLE_LINE: f64 = 22.0;
const SUBTITLE_LINE: f64 = 18.0;
const LEGEND_LINE: f64 = 20.0;
/// Between what is above the curves and the curves.
const GAP_ABOVE: f64 = 12.0;
/// Room for the labels of the lower axis.
const BELOW: f64 = 40.0;
/// Room at the right, for half of the last label.
const AT_RIGHT: f64 = 22.0;
/// Between the labels of the left axis and the curves.
const AT_TICKS: f64 = 8.0;
/// Minimum room for a tick of each axis.
const TICK_WIDTH: f64 = 84.0;
const TICK_HEIGHT: f64 = 40.0;
/// A sign of the legend, the room to its text, and to the next sign.
const SIGN: f64 = 12.0;
const AFTER_SIGN: f64 = 6.0;
const AFTER_ENTRY: f64 = 18.0;

/// How the legend shows what an entry looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Line,
    DashedLine,
    Area,
}

/// An entry of the legend.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) colour: Colour,
    pub(super) sign: Sign,
}

/// What surrounds the curves.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) legend: &'a [Entry<'a>],
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
}

/// A chart whose curves are still to be drawn.
pub(super) struct Canvas {
    pub(super) drawing: Drawing,
    pub(super) area: Area,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame<'_> {
    /// Draws all of it. `xs` and `ys` are the values to make room for.
    pub(super) fn draw(
        &self,
        size: Size,
        xs: impl Iterator<Item = f64>,
        ys: impl Iterator<Item = f64>,
    ) -> Canvas {
        let mut body = Markup::new();
        let top = self.draw_head(&mut body, size);
        let bottom = size.height - BELOW;
        let most_y = fitting(bottom - top, TICK_HEIGHT);
        let y = Scale::new(self.y, ys, (bottom, top)).rounded(most_y);
        let y_ticks = y.ticks(most_y);
        let widest =
            y_ticks.iter().map(|tick| text::width(&y.label(*tick), Style::Label)).fold(0.0, f64::max);
        let area =
            Area { left: widest.max(16.0) + AT_TICKS + 4.0, top, right: size.width - AT_RIGHT, bottom };
        let x = Scale::new(self.x, xs, (area.left, area.right));
        draw_left_axis(&mut body, area, &y, &y_ticks);
        self.draw_lower_axis(&mut body, area, &x);
        let drawing = Drawing {
            size,
            title: self.title.to_owned(),
            description: self.description(),
            body,
            plots: Vec::new(),
        };
        Canvas { drawing, area, x, y }
    }

    fn description(&self) -> String {
        let names: Vec<&str> = self.legend.iter().map(|entry| entry.name).collect();
        let shown = if names.is_empty() { String::new() } else { format!(" Shown: {}.", names.join(", ")) };
        format!("{} {} by {}.{shown}", self.subtitle, self.y.label, self.x.label).trim_start().to_owned()
    }

    /// Title, subtitle, legend and the name of the left axis. Returns where they end.
    fn draw_head(&self, body: &mut Markup, size: Size) -> f64 {
        let mut top = TITLE_LINE;
        text::draw(body, (2.0, top - 6.0), Anchor::Start, Style::Title, self.title);
        for line in text::wrapped(self.subtitle, Style::Label, size.width - 4.0) {
            top += SUBTITLE_LINE;
            text::draw(body, (2.0, top - 6.0), Anchor::Start, Style::Label, &line);
        }
        if !self.legend.is_empty() {
            top = draw_legend(body, self.legend, top, size.width);
        }
        top += SUBTITLE_LINE;
        text::draw(body, (2.0, top - 4.0), Anchor::Start, Style::Small, &self.y.label);
        top + GAP_ABOVE
    }

    fn draw_lower_axis(&self, body: &mut Markup, area: Area, x: &Scale) {
        draw_line(body, "base", BASE.light, (area.left, area.bottom), (area.right, area.bottom));
        for tick in x.ticks(fitting(area.width(), TICK_WIDTH)) {
            let at = x.at(tick);
            draw_line(body, "base", BASE.light, (at, area.bottom), (at, area.bottom + 4.0));
            text::draw(body, (at, area.bottom + 17.0), Anchor::Middle, Style::Label, &x.label(tick));
        }
        let middle = (area.left + area.right) / 2.0;
        text::draw(body, (middle, area.bottom + 34.0), Anchor::Middle, Style::Small, &self.x.label);
    }
}

fn draw_left_axis(body: &mut Markup, area: Area, y: &Scale, ticks: &[f64]) {
    for tick in ticks {
        let at = y.at(*tick);
        draw_line(body, GRID.class, GRID.light, (area.left, at), (area.right, at));
        text::draw(body, (area.left - AT_TICKS, at + 4.0), Anchor::End, Style::Label, &y.label(*tick));
    }
}

fn draw_line(body: &mut Markup, class: &str, colour: &str, from: (f64, f64), to: (f64, f64)) {
    let attributes: &[(&str, &dyn Display)] = &[
        ("class", &class),
        ("stroke", &colour),
        ("x1", &Pixel(from.0)),
        ("y1", &Pixel(from.1)),
        ("x2", &Pixel(to.0)),
        ("y2", &Pixel(to.1)),
    ];
    body.leaf("line", attributes);
}

/// Entries in as many lines as they need. Returns where they end.
fn draw_legend(body: &mut Markup, legend: &[Entry<'_>], top: f64, width: f64) -> f64 {
    let (mut at, mut line) = (2.0, top + LEGEND_LINE);
    for entry in legend {
        let wide = SIGN + AFTER_SIGN + text::width(entry.name, Style::Label);
        if at > 2.0 && at + wide > width {
            at = 2.0;
            line += LEGEND_LINE;
        }
        draw_sign(body, entry, (at, line - 10.0));
        text::draw(body, (at + SIGN + AFTER_SIGN, line - 6.0), Anchor::Start, Style::Label, entry.name);
        at += wide + AFTER_ENTRY;
    }
    line
}

fn draw_sign(body: &mut Markup, entry: &Entry<'_>, (left, middle): (f64, f64)) {
    let colour = entry.colour.light();
    if entry.sign == Sign::Area {
        let class = entry.colour.area_class();
        let (left, top) = (Pixel(left), Pixel(middle - 5.0));
        let attributes: &[(&str, &dyn Display)] = &[
            ("class", &class),
            ("fill", &colour),
            ("x", &left),
            ("y", &top),
            ("width", &10),
            ("height", &10),
            ("rx", &2),
        ];
        return body.leaf("rect", attributes);
    }
    let class = entry.colour.line_class();
    let path = format!("M{} {}h{SIGN}", Pixel(left), Pixel(middle));
    let dashes = if entry.sign == Sign::DashedLine { "4 3" } else { "none" };
    let attributes: &[(&str, &dyn Display)] = &[
        ("class", &class),
        ("stroke", &colour),
        ("stroke-width", &2.5),
        ("stroke-dasharray", &dashes),
        ("d", &path),
    ];
    body.leaf("path", attributes);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a picture has few ticks, at least two"
)]
fn fitting(room: f64, each: f64) -> usize {
    (room / each).max(2.0) as usize
}
