//! Charts side by side, for comparing what they show.

use super::{
    Chart, LineChart,
    drawing::{Area, Drawing, Pixel, Size},
    text::{self, Anchor, Style},
};
use crate::markup::Markup;

const BETWEEN: f64 = 28.0;
const TITLE_LINE: f64 = 26.0;
const SUBTITLE_LINE: f64 = 18.0;

/// Charts of the same values, side by side in columns and rows. Those of a row share the ranges of
/// their axes, so that what is higher is more.
#[derive(Debug, Clone)]
pub struct Panels {
    title: String,
    subtitle: String,
    rows: Vec<Vec<LineChart>>,
}

impl Panels {
    /// No charts yet.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into(), rows: Vec::new() }
    }

    /// Adds a row of charts, from left to right, below the others.
    #[must_use]
    pub fn row(mut self, mut charts: Vec<LineChart>) -> Self {
        let (x, y) =
            (common(charts.iter().map(LineChart::x_extent)), common(charts.iter().map(LineChart::y_extent)));
        for chart in &mut charts {
            chart.x.range = chart.x.range.or(x);
            chart.y.range = chart.y.range.or(y);
        }
        self.rows.push(charts);
        self
    }

    fn head(&self, width: f64) -> (Markup, f64) {
        let mut head = Markup::new();
        let mut top = TITLE_LINE;
        text::draw(&mut head, (2.0, top - 6.0), Anchor::Start, Style::Heading, &self.title);
        for line in text::wrapped(&self.subtitle, Style::Label, width - 4.0) {
            top += SUBTITLE_LINE;
            text::draw(&mut head, (2.0, top - 6.0), Anchor::Start, Style::Label, &line);
        }
        (head, top + BETWEEN / 2.0)
    }
}

impl Chart for Panels {
    fn draw(&self, size: Size) -> Drawing {
        let (body, top) = self.head(size.width);
        let (title, description) = (self.title.clone(), self.subtitle.clone());
        let mut drawing = Drawing { size, title, description, body, plots: Vec::new() };
        let height = (size.height - top + BETWEEN) / as_float(self.rows.len());
        for (number, row) in self.rows.iter().enumerate() {
            let width = (size.width + BETWEEN) / as_float(row.len());
            let panel = Size::new(width - BETWEEN, height - BETWEEN);
            for (column, chart) in row.iter().enumerate() {
                let place = (width * as_float_from(column), top + height * as_float_from(number));
                put(&mut drawing, chart.draw(panel), place);
            }
        }
        drawing
    }
}

/// Puts one drawing into another, with its upper left corner at a place.
fn put(into: &mut Drawing, panel: Drawing, (left, top): (f64, f64)) {
    let shift = format!("translate({} {})", Pixel(left), Pixel(top));
    into.body.element("g", &[("transform", &shift)], |group| group.verbatim(panel.body.as_str()));
    for (area, mut readings) in panel.plots {
        for reading in &mut readings {
            reading.at += left;
        }
        let moved = Area {
            left: area.left + left,
            top: area.top + top,
            right: area.right + left,
            bottom: area.bottom + top,
        };
        into.plots.push((moved, readings));
    }
}

/// What all these ranges span together.
fn common(ranges: impl Iterator<Item = Option<(f64, f64)>>) -> Option<(f64, f64)> {
    ranges.flatten().reduce(|(least, most), (low, high)| (least.min(low), most.max(high)))
}

/// A number of rows or columns, at least one.
fn as_float(number: usize) -> f64 {
    as_float_from(number.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "a picture has few panels")]
fn as_float_from(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Colour, Line, Unit};

    fn goodput(most: f64) -> LineChart {
        let axis = Axis::new("orders per second", Unit::PerSecond);
        let points = vec![(0.0, 0.0), (10.0, most)];
        LineChart::new("Goodput", Axis::elapsed(), axis).line(Line::new("orders", Colour::Green, points))
    }

    #[test]
    fn panels_of_a_row_share_their_axis_and_lie_apart() {
        let panels = Panels::new("With and without", "").row(vec![goodput(10.0), goodput(1_000.0)]);
        let drawing = panels.draw(Size::new(1_000.0, 400.0));
        assert_eq!(drawing.body.as_str().matches(">1k</text>").count(), 2);
        let (left, right) = (drawing.plots[0].0, drawing.plots[1].0);
        assert!(left.right < right.left, "{left:?} {right:?}");
        assert!(right.right <= 1_000.0 && right.bottom <= 400.0);
    }
}
