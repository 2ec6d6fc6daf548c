//! Bars side by side: a histogram.

use std::fmt::Display;

use super::{
    Chart,
    axis::Axis,
    colour::Colour,
    drawing::{Drawing, Pixel, Reading, Size},
    frame::{Canvas, Frame},
    note::{self, Note},
};

/// Half of what stays free between two bars, in pixels.
const GAP: f64 = 0.6;

/// A bar over a part of the lower axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How high it is.
    pub value: f64,
}

/// Bars side by side, such as how many calls took how long.
#[derive(Debug, Clone)]
pub struct BarChart {
    /// Its title.
    pub title: String,
    /// A sentence below its title; may be empty.
    pub subtitle: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The colour of all bars.
    pub colour: Colour,
    /// The bars, from left to right.
    pub bars: Vec<Bar>,
    /// Values of the lower axis that are marked with a line from top to bottom, and what they are.
    pub moments: Vec<(f64, String)>,
}

impl Chart for BarChart {
    fn draw(&self, size: Size) -> Drawing {
        let frame =
            Frame { title: &self.title, subtitle: &self.subtitle, legend: &[], x: &self.x, y: &self.y };
        let places = self.bars.iter().flat_map(|bar| [bar.from, bar.to]);
        let values = self.bars.iter().map(|bar| bar.value);
        let Canvas { mut drawing, area, x, y } = frame.draw(size, places, values);
        let (class, colour) = (self.colour.area_class(), self.colour.light());
        let mut readings = Vec::new();
        for bar in &self.bars {
            let (left, right, top) = (x.at(bar.from), x.at(bar.to), y.at(bar.value));
            let attributes: &[(&str, &dyn Display)] = &[
                ("class", &class),
                ("fill", &colour),
                ("x", &Pixel(left + GAP)),
                ("y", &Pixel(top)),
                ("width", &Pixel((right - left - 2.0 * GAP).max(0.5))),
                ("height", &Pixel(area.bottom - top)),
            ];
            drawing.body.leaf("rect", attributes);
            let unit = self.x.unit;
            let range = format!("{} to {}", unit.value(bar.from), unit.value(bar.to));
            let lines = vec![range, format!("{} {}", self.y.unit.value(bar.value), self.y.label)];
            readings.push(Reading { at: (left + right) / 2.0, lines });
        }
        let moments: Vec<Note> =
            self.moments.iter().map(|(value, text)| Note { at: x.at(*value), text: text.clone() }).collect();
        note::draw_moments(&mut drawing.body, area, &moments);
        drawing.plots.push((area, readings));
        drawing
    }
}
