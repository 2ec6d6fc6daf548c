//! The colours and fonts of charts. Every element has the light colours as attributes, for programs without style sheets.
//! The style sheet replaces them if the reader prefers a dark page.

use std::fmt::Write as _;

use super::colour::Colour;

/// The fonts of all texts: those of the reader's system.
pub(super) const FONTS: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// A colour of a chart's parts other than curves, in a light and a dark page.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThemeColour {
    pub(super) class: &'static str,
    pub(super) light: &'static str,
    dark: &'static str,
}

/// Titles.
pub(super) const INK: ThemeColour = ThemeColour { class: "ink", light: "#0f172a", dark: "#f1f5f9" };
/// Labels.
pub(super) const MUTED: ThemeColour = ThemeColour { class: "muted", light: "#64748b", dark: "#94a3b8" };
/// The background.
pub(super) const BACKGROUND: ThemeColour = ThemeColour { class: "ground", light: "#ffffff", dark: "#111827" };
/// Lines at ticks.
pub(super) const GRID: ThemeColour = ThemeColour { class: "grid", light: "#e8edf3", dark: "#243042" };
/// The line that curves stand on.
pub(super) const BASE: ThemeColour = ThemeColour { class: "base", light: "#b6c2d0", dark: "#475569" };

/// The cells of a heat map, from few to many.
pub(super) const HEAT: [ThemeColour; 8] = [
    ThemeColour { class: "heat-1", light: "#e6eefb", dark: "#16233f" },
    ThemeColour { class: "heat-2", light: "#c9dcf8", dark: "#1b3560" },
    ThemeColour { class: "heat-3", light: "#a3c4f3", dark: "#1f4a86" },
    ThemeColour { class: "heat-4", light: "#74a5ec", dark: "#2463ae" },
    ThemeColour { class: "heat-5", light: "#4a83e0", dark: "#3b82d6" },
    ThemeColour { class: "heat-6", light: "#2f63c8", dark: "#62a4ee" },
    ThemeColour { class: "heat-7", light: "#2348a0", dark: "#9ac7fa" },
    ThemeColour { class: "heat-8", light: "#1b3172", dark: "#dcecff" },
];

/// The style sheet that turns charts dark where the reader prefers it.
pub fn dark_style() -> String {
    let mut rules = String::from("@media(prefers-color-scheme:dark){");
    for theme_colour in [INK, MUTED, BACKGROUND].into_iter().chain(HEAT) {
        let _ = write!(rules, ".{}{{fill:{}}}", theme_colour.class, theme_colour.dark);
    }
    for theme_colour in [GRID, BASE] {
        let _ = write!(rules, ".{}{{stroke:{}}}", theme_colour.class, theme_colour.dark);
    }
    for colour in Colour::ALL {
        let dark = colour.dark();
        let _ =
            write!(rules, ".{}{{stroke:{dark}}}.{}{{fill:{dark}}}", colour.line_class(), colour.area_class());
    }
    rules.push('}');
    rules
}
