//! A heat map: how many there were of each value, over something.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Chart,
    axis::{Axis, Scale},
    drawing::{Area, Drawing, Pixel, Reading, Size},
    frame::{Canvas, Frame},
    theme::HEAT,
};
use crate::format;

/// How high a cell is, in pixels.
const CELL: f64 = 6.0;

/// What there was during a part of the lower axis.
#[derive(Debug, Clone)]
pub struct Column {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Values, and how many there were of each.
    pub values: Vec<(f64, u64)>,
}

/// How many there were of each value, over something: latencies over time. A cell is the stronger the more there are in
/// it, by the logarithm of their number, so that a single one can still be seen.
#[derive(Debug, Clone)]
pub struct HeatMap {
    /// Its title.
    pub title: String,
    /// A sentence below its title; may be empty.
    pub subtitle: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// From left to right, side by side.
    pub columns: Vec<Column>,
}

/// Counts by row, from the bottom.
type Cells = BTreeMap<u32, u64>;

impl Chart for HeatMap {
    fn draw(&self, size: Size) -> Drawing {
        let frame =
            Frame { title: &self.title, subtitle: &self.subtitle, legend: &[], x: &self.x, y: &self.y };
        let places = self.columns.iter().flat_map(|column| [column.from, column.to]);
        let values = self.columns.iter().flat_map(|column| &column.values).map(|(value, _)| *value);
        let Canvas { mut drawing, area, x, y } = frame.draw(size, places, values);
        let columns: Vec<Cells> = self.columns.iter().map(|column| cells(column, area, &y)).collect();
        let most = columns.iter().flat_map(BTreeMap::values).copied().max().unwrap_or(0);
        let mut paths = vec![String::new(); HEAT.len()];
        for (column, cells) in self.columns.iter().zip(&columns) {
            let (left, right) = (x.at(column.from), x.at(column.to));
            for (row, count) in cells {
                if let Some(path) = paths.get_mut(strength(*count, most)) {
                    add_cell(path, area, (left, right), *row);
                }
            }
        }
        for (colour, path) in HEAT.iter().zip(paths).filter(|(_, path)| !path.is_empty()) {
            drawing.body.leaf("path", &[("class", &colour.class), ("fill", &colour.light), ("d", &path)]);
        }
        drawing.plots.push((area, self.readings(&x)));
        drawing
    }
}

impl HeatMap {
    fn readings(&self, x: &Scale) -> Vec<Reading> {
        let reading = |column: &Column| {
            let count: u64 = column.values.iter().map(|(_, count)| count).sum();
            let values = column.values.iter().map(|(value, _)| *value);
            let mut lines = vec![self.x.unit.value(column.from), format!("{} calls", format::count(count))];
            if let Some((least, most)) =
                values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            {
                lines.push(format!("{} to {}", self.y.unit.value(least), self.y.unit.value(most)));
            }
            Reading { at: (x.at(column.from) + x.at(column.to)) / 2.0, lines }
        };
        self.columns.iter().map(reading).collect()
    }
}

fn cells(column: &Column, area: Area, y: &Scale) -> Cells {
    let mut cells = Cells::new();
    for (value, count) in column.values.iter().filter(|(value, _)| y.shows(*value)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture has few rows")]
        let row = ((area.bottom - y.at(*value)) / CELL).max(0.0) as u32;
        *cells.entry(row).or_default() += count;
    }
    cells
}

/// Which of the tones a count gets.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the result is a small number"
)]
fn strength(count: u64, most: u64) -> usize {
    let share = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    ((share * HEAT.len() as f64).ceil() as usize).saturating_sub(1)
}

/// The cell at the top may stick out of the area, and is cut.
fn add_cell(path: &mut String, area: Area, (left, right): (f64, f64), row: u32) {
    let bottom = area.bottom - f64::from(row) * CELL;
    let top = (bottom - CELL).max(area.top);
    let width = right - left;
    let _ =
        write!(path, "M{} {}h{}V{}h{}z", Pixel(left), Pixel(bottom), Pixel(width), Pixel(top), Pixel(-width));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Unit;

    #[test]
    fn few_are_pale_and_many_are_strong() {
        assert_eq!(strength(1_000_000, 1_000_000), HEAT.len() - 1);
        assert_eq!(strength(1, 1_000_000), 0);
        assert!(strength(1_000, 1_000_000) > strength(10, 1_000_000));
        assert_eq!(strength(1, 1), HEAT.len() - 1);
    }

    #[test]
    fn every_column_has_its_cells() {
        let column = |from: f64, values: Vec<(f64, u64)>| Column { from, to: from + 1.0, values };
        let map = HeatMap {
            title: "Latency".to_owned(),
            subtitle: String::new(),
            x: Axis::elapsed(),
            y: Axis::new("latency", Unit::Latency).logarithmic(),
            columns: vec![column(0.0, vec![(0.001, 100), (1.0, 1)]), column(1.0, vec![(0.001, 100)])],
        };
        let svg = map.draw(Size::new(400.0, 200.0)).file();
        assert!(svg.contains("heat-8") && svg.contains("heat-2"), "{svg}");
    }
}
