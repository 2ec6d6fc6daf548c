//! Charts as SVG: for pages, for slides, and for pictures in documents.
//!
//! A chart describes what it shows, without pixels; [`Chart::draw`] lays it out. A [`Drawing`] goes into a
//! page ([`Drawing::for_page`]) or becomes a file of its own ([`Drawing::file`]).

mod areas;
mod axis;
mod bars;
mod colour;
mod drawing;
mod frame;
mod heat;
mod lines;
mod note;
mod panels;
mod text;
mod theme;
mod ticks;
mod unit;

pub use areas::{AreaChart, Layer};
pub use axis::{Axis, Layout};
pub use bars::{Bar, BarChart};
pub use colour::Colour;
pub use drawing::{Drawing, Size};
pub use heat::{Column, HeatMap};
pub use lines::{Line, LineChart, Stroke};
pub use panels::Panels;
pub use theme::dark_style;
pub use unit::Unit;

/// What can be drawn.
pub trait Chart {
    /// Lays it out in a picture of this size.
    fn draw(&self, size: Size) -> Drawing;
}
