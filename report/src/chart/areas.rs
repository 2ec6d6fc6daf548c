//! Parts of a whole over something, stacked.

use std::fmt::Write as _;

use super::{
    Chart,
    axis::{Axis, Scale},
    colour::Colour,
    drawing::{Drawing, Pixel, Reading, Size},
    frame::{Canvas, Entry, Frame, Sign},
};

/// A part of the whole.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What the legend calls it.
    pub name: String,
    /// Its colour.
    pub colour: Colour,
    /// One value for each place of the chart.
    pub values: Vec<f64>,
}

/// Parts of a whole over something, such as outcomes over time. The first layer lies at the bottom.
#[derive(Debug, Clone)]
pub struct AreaChart {
    /// Its title.
    pub title: String,
    /// A sentence below its title; may be empty.
    pub subtitle: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Where the layers have values, from left to right.
    pub places: Vec<f64>,
    /// The parts.
    pub layers: Vec<Layer>,
}

impl AreaChart {
    /// The upper edges of the layers, from the bottom up.
    fn edges(&self) -> Vec<Vec<f64>> {
        let mut below = vec![0.0; self.places.len()];
        let stack = |layer: &Layer| {
            for (sum, value) in below.iter_mut().zip(&layer.values) {
                *sum += value.max(0.0);
            }
            below.clone()
        };
        self.layers.iter().map(stack).collect()
    }

    fn readings(&self, x: &Scale) -> Vec<Reading> {
        let reading = |(index, place): (usize, &f64)| {
            let of = |layer: &Layer| {
                let value = layer.values.get(index).filter(|value| **value > 0.0)?;
                Some(format!("{} {}", layer.name, self.y.unit.value(*value)))
            };
            let lines =
                std::iter::once(self.x.unit.value(*place)).chain(self.layers.iter().rev().filter_map(of));
            Reading { at: x.at(*place), lines: lines.collect() }
        };
        self.places.iter().enumerate().map(reading).collect()
    }
}

impl Chart for AreaChart {
    fn draw(&self, size: Size) -> Drawing {
        let edges = self.edges();
        let layers = self.layers.iter();
        let legend: Vec<Entry<'_>> =
            layers.map(|layer| Entry { name: &layer.name, colour: layer.colour, sign: Sign::Area }).collect();
        let frame =
            Frame { title: &self.title, subtitle: &self.subtitle, legend: &legend, x: &self.x, y: &self.y };
        let Canvas { mut drawing, area, x, y } =
            frame.draw(size, self.places.iter().copied(), edges.iter().flatten().copied());
        let mut below = vec![0.0; self.places.len()];
        for (layer, above) in self.layers.iter().zip(edges) {
            let points = |edge: &[f64]| -> Vec<(f64, f64)> {
                self.places.iter().zip(edge).map(|(place, value)| (x.at(*place), y.at(*value))).collect()
            };
            let path = outline(&points(&above), &points(&below));
            let (class, colour) = (layer.colour.area_class(), layer.colour.light());
            drawing
                .body
                .leaf("path", &[("class", &class), ("fill", &colour), ("fill-opacity", &0.85), ("d", &path)]);
            below = above;
        }
        drawing.plots.push((area, self.readings(&x)));
        drawing
    }
}

/// Along the upper edge from left to right, and back along the lower one.
fn outline(above: &[(f64, f64)], below: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (number, (x, y)) in above.iter().chain(below.iter().rev()).enumerate() {
        let _ = write!(path, "{}{} {}", if number == 0 { "M" } else { "L" }, Pixel(*x), Pixel(*y));
    }
    if !path.is_empty() {
        path.push('z');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Unit;

    #[test]
    fn layers_lie_upon_each_other() {
        let layer = |name: &str, colour, values| Layer { name: name.to_owned(), colour, values };
        let chart = AreaChart {
            title: "Outcomes".to_owned(),
            subtitle: String::new(),
            x: Axis::elapsed(),
            y: Axis::new("calls per second", Unit::PerSecond),
            places: vec![0.0, 1.0],
            layers: vec![
                layer("OK", Colour::Green, vec![5.0, 6.0]),
                layer("Internal", Colour::Red, vec![0.0, 4.0]),
            ],
        };
        assert_eq!(chart.edges(), [vec![5.0, 6.0], vec![5.0, 10.0]]);
        let drawing = chart.draw(Size::new(400.0, 200.0));
        let lines: Vec<_> = drawing.plots[0].1.iter().map(|reading| reading.lines.join(" ")).collect();
        assert_eq!(lines, ["0 s OK 5/s", "1 s Internal 4/s OK 6/s"]);
    }
}
