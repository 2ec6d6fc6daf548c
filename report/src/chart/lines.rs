//! Curves over something.

use std::fmt::{Display, Write as _};

use super::{
    Chart,
    axis::{Axis, Scale},
    colour::Colour,
    drawing::{Area, Drawing, Pixel, Reading, Size},
    frame::{Canvas, Entry, Frame, Sign},
    note::{self, Note},
};
use crate::markup::Markup;

/// How a curve looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// A line.
    Solid,
    /// A broken line, for what is there for comparison.
    Dashed,
    /// A line, and a light colour between it and the lower axis.
    Filled,
}

/// A curve.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// Its colour.
    pub colour: Colour,
    /// How it looks.
    pub stroke: Stroke,
    /// Its points, from left to right. Where a value is not a number, the curve has a gap.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// A solid curve.
    pub fn new(name: impl Into<String>, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), colour, stroke: Stroke::Solid, points }
    }

    /// The same curve with another look.
    #[must_use]
    pub fn stroke(self, stroke: Stroke) -> Self {
        Self { stroke, ..self }
    }
}

/// Curves over something, such as latencies over time.
#[derive(Debug, Clone)]
pub struct LineChart {
    /// Its title.
    pub title: String,
    /// A sentence below its title; may be empty.
    pub subtitle: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    lines: Vec<Line>,
    /// Values of the left axis that are marked.
    levels: Vec<(f64, String)>,
    /// Values of the lower axis that are marked.
    moments: Vec<(f64, String)>,
}

impl LineChart {
    /// A chart without curves.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        let title = title.into();
        Self {
            title,
            subtitle: String::new(),
            x,
            y,
            lines: Vec::new(),
            levels: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// Adds a sentence below the title.
    #[must_use]
    pub fn subtitle(self, subtitle: impl Into<String>) -> Self {
        Self { subtitle: subtitle.into(), ..self }
    }

    /// Adds a curve. Later ones lie above earlier ones.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Marks a value of the left axis with a line from side to side, such as a limit.
    #[must_use]
    pub fn level(mut self, value: f64, text: impl Into<String>) -> Self {
        self.levels.push((value, text.into()));
        self
    }

    /// Marks a value of the lower axis with a line from top to bottom, such as an opening.
    #[must_use]
    pub fn moment(mut self, value: f64, text: impl Into<String>) -> Self {
        self.moments.push((value, text.into()));
        self
    }

    /// From the first place to the last; none if there is none.
    pub(super) fn x_extent(&self) -> Option<(f64, f64)> {
        extent(self.places())
    }

    /// From the least value to the greatest; none if there is none.
    pub(super) fn y_extent(&self) -> Option<(f64, f64)> {
        extent(self.values())
    }

    fn places(&self) -> impl Iterator<Item = f64> {
        let of_lines = self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x);
        of_lines.chain(self.moments.iter().map(|(value, _)| *value))
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let of_lines = self.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
        of_lines.chain(self.levels.iter().map(|(value, _)| *value))
    }

    /// Values of all curves wherever one has a point.
    fn readings(&self, x: &Scale) -> Vec<Reading> {
        let longest = self.lines.iter().max_by_key(|line| line.points.len());
        let places = longest.map(|line| line.points.as_slice()).unwrap_or_default();
        places
            .iter()
            .map(|&(place, _)| {
                let values = self.lines.iter().filter_map(|line| {
                    let value = line.value_at(place)?;
                    Some(format!("{} {}", line.name, self.y.unit.value(value)))
                });
                let lines = std::iter::once(self.x.unit.value(place)).chain(values).collect();
                Reading { at: x.at(place), lines }
            })
            .collect()
    }
}

impl Line {
    fn value_at(&self, place: f64) -> Option<f64> {
        let index = self.points.partition_point(|(x, _)| *x < place);
        let (x, value) = *self.points.get(index)?;
        (x == place && value.is_finite()).then_some(value)
    }
}

impl Chart for LineChart {
    fn draw(&self, size: Size) -> Drawing {
        // A single curve needs no legend: the title and the axis name it.
        let several = self.lines.len() > 1;
        let legend: Vec<Entry<'_>> = self.lines.iter().filter(|_| several).map(entry).collect();
        let frame =
            Frame { title: &self.title, subtitle: &self.subtitle, legend: &legend, x: &self.x, y: &self.y };
        let Canvas { mut drawing, area, x, y } = frame.draw(size, self.places(), self.values());
        for (value, text) in &self.levels {
            note::draw_level(&mut drawing.body, area, &Note { at: y.at(*value), text: text.clone() });
        }
        let moments: Vec<Note> =
            self.moments.iter().map(|(value, text)| Note { at: x.at(*value), text: text.clone() }).collect();
        note::draw_moments(&mut drawing.body, area, &moments);
        for line in &self.lines {
            draw_line(&mut drawing.body, area, line, &x, &y);
        }
        drawing.plots.push((area, self.readings(&x)));
        drawing
    }
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite()).map(|value| (value, value));
    finite.reduce(|(least, most), (value, _)| (least.min(value), most.max(value)))
}

fn entry(line: &Line) -> Entry<'_> {
    let sign = if line.stroke == Stroke::Dashed { Sign::DashedLine } else { Sign::Line };
    Entry { name: &line.name, colour: line.colour, sign }
}

fn draw_line(body: &mut Markup, area: Area, line: &Line, x: &Scale, y: &Scale) {
    let (mut stroke, mut fill) = (String::new(), String::new());
    let shown = |(_, value): &(f64, f64)| y.shows(*value);
    for part in
        line.points.chunk_by(|a, b| shown(a) == shown(b)).filter(|part| part.first().is_some_and(shown))
    {
        let places: Vec<(f64, f64)> = part.iter().map(|(px, py)| (x.at(*px), y.at(*py))).collect();
        add_part(&mut stroke, &mut fill, &places, area.bottom);
    }
    let colour = line.colour.light();
    if line.stroke == Stroke::Filled {
        let class = line.colour.area_class();
        body.leaf("path", &[("class", &class), ("fill", &colour), ("fill-opacity", &0.14), ("d", &fill)]);
    }
    let class = line.colour.line_class();
    let dashes = if line.stroke == Stroke::Dashed { "5 4" } else { "none" };
    let attributes: &[(&str, &dyn Display)] = &[
        ("class", &class),
        ("stroke", &colour),
        ("fill", &"none"),
        ("stroke-width", &1.8),
        ("stroke-linejoin", &"round"),
        ("stroke-linecap", &"round"),
        ("stroke-dasharray", &dashes),
        ("d", &stroke),
    ];
    body.leaf("path", attributes);
}

/// A part without gaps. A single point becomes a dot: a line of no length with round ends.
fn add_part(stroke: &mut String, fill: &mut String, places: &[(f64, f64)], bottom: f64) {
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
    let mut path = String::new();
    for (number, (x, y)) in places.iter().enumerate() {
        let _ = write!(path, "{}{} {}", if number == 0 { "M" } else { "L" }, Pixel(*x), Pixel(*y));
    }
    if places.len() == 1 {
        path.push_str("h0");
    }
    stroke.push_str(&path);
    let bottom = Pixel(bottom);
    let _ = write!(fill, "{path}L{} {bottom}L{} {bottom}z", Pixel(last.0), Pixel(first.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Unit;

    fn chart(points: Vec<(f64, f64)>) -> LineChart {
        LineChart::new("Rate", Axis::elapsed(), Axis::new("calls per second", Unit::PerSecond))
            .line(Line::new("ended", Colour::Blue, points).stroke(Stroke::Filled))
    }

    #[test]
    fn a_gap_splits_the_curve() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)];
        let drawing = chart(points).draw(Size::new(400.0, 200.0));
        let svg = drawing.body.as_str();
        let curve = svg.rsplit("d=\"").next().unwrap();
        assert_eq!(curve.matches('M').count(), 2, "{curve}");
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn nothing_to_show_is_drawn_as_well() {
        let svg = chart(Vec::new()).draw(Size::new(400.0, 200.0)).file();
        assert!(svg.contains("<title>Rate</title>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn every_point_has_a_reading() {
        let drawing = chart(vec![(0.0, 1.0), (1.0, 2_000.0)]).draw(Size::new(400.0, 200.0));
        let (_, readings) = &drawing.plots[0];
        let lines: Vec<&[String]> = readings.iter().map(|reading| reading.lines.as_slice()).collect();
        assert_eq!(lines, [["0 s", "ended 1/s"], ["1 s", "ended 2,000/s"]]);
    }
}
