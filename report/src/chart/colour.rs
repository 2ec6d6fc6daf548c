//! The colours of curves, for light and dark surroundings.

/// A colour of a curve, an area or a bar. Those that stand for something mean the same in every chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// The main thing that a chart shows.
    Blue,
    /// Low latencies; what went through the queue.
    Teal,
    /// High latencies.
    Violet,
    /// What waits, or was due and not done.
    Amber,
    /// What failed; the greatest latency.
    Red,
    /// What went well.
    Green,
    /// What is there for comparison.
    Grey,
    /// A second kind of failure.
    Pink,
}

impl Colour {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Blue, Self::Teal, Self::Violet, Self::Amber, Self::Red, Self::Green, Self::Grey, Self::Pink];

    /// On a light ground.
    pub fn light(self) -> &'static str {
        match self {
            Self::Blue => "#2563eb",
            Self::Teal => "#0d9488",
            Self::Violet => "#7c3aed",
            Self::Amber => "#d97706",
            Self::Red => "#dc2626",
            Self::Green => "#16a34a",
            Self::Grey => "#94a3b8",
            Self::Pink => "#db2777",
        }
    }

    /// On a dark ground.
    pub fn dark(self) -> &'static str {
        match self {
            Self::Blue => "#60a5fa",
            Self::Teal => "#2dd4bf",
            Self::Violet => "#a78bfa",
            Self::Amber => "#fbbf24",
            Self::Red => "#f87171",
            Self::Green => "#4ade80",
            Self::Grey => "#64748b",
            Self::Pink => "#f472b6",
        }
    }

    /// The class of what has this colour as its line.
    pub(super) fn line_class(self) -> String {
        format!("line-{}", self.name())
    }

    /// The class of what is filled with this colour.
    pub(super) fn area_class(self) -> String {
        format!("area-{}", self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Teal => "teal",
            Self::Violet => "violet",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Green => "green",
            Self::Grey => "grey",
            Self::Pink => "pink",
        }
    }
}
