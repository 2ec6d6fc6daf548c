//! An axis: what it shows, and how its values are laid out.

use super::{ticks, unit::Unit};

/// How values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Evenly, from zero.
    Linear,
    /// By their logarithm. What is not above zero cannot be shown.
    Logarithmic,
    /// Quantiles (0 to below 1) by how rare what exceeds them is: 90%, 99% and 99.9% are evenly apart.
    Quantile,
}

/// What an axis shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What its values are.
    pub label: String,
    /// What its numbers are.
    pub unit: Unit,
    /// How they are laid out.
    pub layout: Layout,
    /// The least and the greatest value, in addition to the data.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis from zero.
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self { label: label.into(), unit, layout: Layout::Linear, range: None }
    }

    /// The time since a run started.
    pub fn elapsed() -> Self {
        Self::new("time since the start", Unit::Elapsed)
    }

    /// The share of calls that is not slower.
    pub fn quantile() -> Self {
        Self { layout: Layout::Quantile, ..Self::new("share of calls that are not slower", Unit::Quantile) }
    }

    /// Lays the values out by their logarithm.
    #[must_use]
    pub fn logarithmic(self) -> Self {
        Self { layout: Layout::Logarithmic, ..self }
    }

    /// Shows these values, at least.
    #[must_use]
    pub fn range(self, least: f64, greatest: f64) -> Self {
        Self { range: Some((least, greatest)), ..self }
    }
}

/// Room above the greatest value of an axis, so that no curve runs along its end.
const HEADROOM: f64 = 1.03;

/// An axis with its place in a picture.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    layout: Layout,
    unit: Unit,
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// The scale of an axis for `values`. `from` and `to` are the coordinates of its ends.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let (least, greatest) = extent(axis, values);
        Self { layout: axis.layout, unit: axis.unit, least, greatest, from, to }
    }

    /// Ends the axis at ticks, so that no curve touches its end.
    pub(super) fn rounded(mut self, most_ticks: usize) -> Self {
        if self.layout == Layout::Linear {
            let step = ticks::step(self.greatest - self.least, most_ticks, self.unit);
            self.greatest = (self.greatest * HEADROOM / step).ceil() * step;
        }
        self
    }

    /// The coordinate of a value; one outside of the axis is put at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (least, greatest) = (self.project(self.least), self.project(self.greatest));
        let share = (self.project(value) - least) / (greatest - least);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// True if the value can be shown.
    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.layout != Layout::Logarithmic || value > 0.0)
    }

    /// Values to write at the axis.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        match self.layout {
            Layout::Linear => ticks::linear(self.least, self.greatest, most, self.unit),
            Layout::Logarithmic => ticks::logarithmic(self.least, self.greatest, most),
            Layout::Quantile => ticks::quantiles(self.greatest),
        }
    }

    /// What is written at a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        self.unit.tick(tick)
    }

    fn project(&self, value: f64) -> f64 {
        match self.layout {
            Layout::Linear => value,
            Layout::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
            Layout::Quantile => -(1.0 - value).max(f64::EPSILON).log10(),
        }
    }
}

/// The values at the two ends of an axis, never the same.
fn extent(axis: &Axis, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let logarithmic = axis.layout == Layout::Logarithmic;
    let shown = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
    let ends = axis.range.into_iter().flat_map(|(least, greatest)| [least, greatest]);
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in shown.chain(ends) {
        least = least.min(value);
        greatest = greatest.max(value);
    }
    match axis.layout {
        Layout::Logarithmic if least > greatest => (1e-3, 1.0),
        Layout::Logarithmic => (least / 1.15, greatest * 1.15),
        Layout::Linear if greatest <= 0.0 => (0.0, 1.0),
        Layout::Linear => (least.clamp(f64::NEG_INFINITY, 0.0), greatest),
        Layout::Quantile => (0.0, greatest.max(0.9)),
    }
}
