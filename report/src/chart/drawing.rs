//! A chart that has been drawn.

use std::fmt;

use super::theme::{BACKGROUND, FONTS, dark_style};
use crate::markup::Markup;

/// What a file leaves free around a picture.
const MARGIN: f64 = 20.0;

/// How large a picture is, in pixels of a usual screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

impl Size {
    /// A size in pixels.
    pub const fn new(width: f64, height: f64) -> Self {
        Self { width, height }
    }
}

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(self) -> f64 {
        self.bottom - self.top
    }
}

/// What can be read at a place of a chart.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Where, from the left.
    pub(super) at: f64,
    /// One line each: first what place this is, then the values there.
    pub(super) lines: Vec<String>,
}

/// A chart that has been drawn, and can be put into a page or a file.
#[derive(Debug, Clone)]
pub struct Drawing {
    pub(super) size: Size,
    /// For those who cannot see it.
    pub(super) title: String,
    pub(super) description: String,
    pub(super) body: Markup,
    /// Where curves are, and what can be read there.
    pub(super) plots: Vec<(Area, Vec<Reading>)>,
}

impl Drawing {
    /// How large it was drawn.
    pub fn size(&self) -> Size {
        self.size
    }

    /// For a page whose style sheet holds [`dark_style`]. With what a script needs to show values under the pointer.
    pub fn for_page(&self) -> Markup {
        let mut page = Markup::new();
        let Size { width, height } = self.size;
        let view = format!("0 0 {width} {height}");
        let attributes: &[(&str, &dyn fmt::Display)] =
            &[("class", &"chart"), ("viewBox", &view), ("role", &"img"), ("font-family", &FONTS)];
        page.element("svg", attributes, |svg| {
            self.describe(svg);
            svg.verbatim(self.body.as_str());
            for (area, readings) in &self.plots {
                add_readings(svg, *area, readings);
            }
        });
        page
    }

    /// For a file of its own: with a margin, its ground and its colours, light and dark.
    pub fn file(&self) -> String {
        let mut file = Markup::new();
        let (width, height) = (self.size.width + 2.0 * MARGIN, self.size.height + 2.0 * MARGIN);
        let (left, top) = (-MARGIN, -MARGIN);
        let view = format!("{left} {top} {width} {height}");
        let attributes: &[(&str, &dyn fmt::Display)] = &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("width", &width),
            ("height", &height),
            ("viewBox", &view),
            ("role", &"img"),
            ("font-family", &FONTS),
        ];
        file.element("svg", attributes, |svg| {
            self.describe(svg);
            svg.element("style", &[], |style| style.verbatim(&dark_style()));
            let ground: &[(&str, &dyn fmt::Display)] = &[
                ("class", &BACKGROUND.class),
                ("fill", &BACKGROUND.light),
                ("x", &left),
                ("y", &top),
                ("width", &width),
                ("height", &height),
            ];
            svg.leaf("rect", ground);
            svg.verbatim(self.body.as_str());
        });
        file.verbatim("\n");
        file.as_str().to_owned()
    }

    fn describe(&self, svg: &mut Markup) {
        svg.text_element("title", &[], &self.title);
        if !self.description.is_empty() {
            svg.text_element("desc", &[], &self.description);
        }
    }
}

/// A coordinate, to a tenth of a pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel(pub(super) f64);

impl fmt::Display for Pixel {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // There is no minus zero in a picture.
        write!(to, "{}", tenths + 0.0)
    }
}

/// An area that a script watches: the places and what to read there are in its attributes, places apart by spaces,
/// readings by `|`, their lines by `;`.
fn add_readings(svg: &mut Markup, area: Area, readings: &[Reading]) {
    if readings.is_empty() {
        return;
    }
    let places: Vec<String> = readings.iter().map(|reading| Pixel(reading.at).to_string()).collect();
    let texts: Vec<String> = readings.iter().map(text_of).collect();
    let (places, texts) = (places.join(" "), texts.join("|"));
    let attributes: &[(&str, &dyn fmt::Display)] = &[
        ("class", &"readings"),
        ("x", &Pixel(area.left)),
        ("y", &Pixel(area.top)),
        ("width", &Pixel(area.width())),
        ("height", &Pixel(area.height())),
        ("fill", &"none"),
        ("pointer-events", &"all"),
        ("data-places", &places),
        ("data-texts", &texts),
    ];
    svg.leaf("rect", attributes);
}

fn text_of(reading: &Reading) -> String {
    let lines: Vec<String> = reading.lines.iter().map(|line| line.replace([';', '|'], ",")).collect();
    lines.join(";")
}
