//! Labelled lines across a chart.

use std::fmt::Display;

use super::{
    drawing::{Area, Pixel},
    text::{self, Anchor, Style},
    theme::BASE,
};
use crate::markup::Markup;

/// Between the texts of two notes that would lie upon each other, in pixels.
const LINE: f64 = 13.0;

/// A line across a chart.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// Its coordinate.
    pub(super) at: f64,
    pub(super) text: String,
}

/// A line from side to side.
pub(super) fn draw_level(body: &mut Markup, area: Area, note: &Note) {
    let at = note.at;
    draw_line(body, &format!("M{} {}H{}", Pixel(area.left), Pixel(at), Pixel(area.right)));
    // Above the line, or below it where there is no room.
    let line = if at - area.top < LINE { at + LINE + 1.0 } else { at - 5.0 };
    text::draw(body, (area.right, line), Anchor::End, Style::Small, &note.text);
}

/// Lines from top to bottom, in the order of their places. A text that would run into the next one is put below it.
pub(super) fn draw_moments(body: &mut Markup, area: Area, notes: &[Note]) {
    let (mut occupied, mut row) = (f64::NEG_INFINITY, 0.0);
    for Note { at, text } in notes {
        draw_line(body, &format!("M{} {}V{}", Pixel(*at), Pixel(area.bottom), Pixel(area.top)));
        let width = text::width(text, Style::Small);
        let fits_right = at + 5.0 + width <= area.right;
        let (place, anchor) = if fits_right { (at + 5.0, Anchor::Start) } else { (at - 5.0, Anchor::End) };
        let left = if fits_right { place } else { place - width };
        row = if left < occupied { row + 1.0 } else { 0.0 };
        occupied = left + width + 6.0;
        text::draw(body, (place, area.top + 10.0 + row * LINE), anchor, Style::Small, text);
    }
}

fn draw_line(body: &mut Markup, path: &str) {
    let attributes: &[(&str, &dyn Display)] = &[
        ("class", &BASE.class),
        ("stroke", &BASE.light),
        ("stroke-dasharray", &"3 4"),
        ("stroke-width", &1.2),
        ("d", &path),
    ];
    body.leaf("path", attributes);
}
