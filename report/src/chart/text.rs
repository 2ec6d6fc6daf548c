//! Texts in a picture. No font can be asked for its measures here, so widths are estimated, rather too wide than too narrow.

use std::fmt::Display;

use super::{
    drawing::Pixel,
    theme::{INK, MUTED},
};
use crate::markup::Markup;

/// Which point of a text its place is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What a text is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// The title of several charts.
    Heading,
    /// The title of a chart.
    Title,
    /// Subtitles, ticks and legends.
    Label,
    /// Names of axes, and notes.
    Small,
}

impl Style {
    fn size(self) -> f64 {
        match self {
            Self::Heading => 20.0,
            Self::Title => 15.0,
            Self::Label => 12.0,
            Self::Small => 11.0,
        }
    }
}

/// Writes a text with its base line at a place.
pub(super) fn draw(body: &mut Markup, at: (f64, f64), anchor: Anchor, style: Style, text: &str) {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let (colour, weight) = match style {
        Style::Heading | Style::Title => (INK, 600),
        Style::Label | Style::Small => (MUTED, 400),
    };
    let attributes: &[(&str, &dyn Display)] = &[
        ("class", &colour.class),
        ("fill", &colour.light),
        ("font-size", &style.size()),
        ("font-weight", &weight),
        ("text-anchor", &anchor),
        ("x", &Pixel(at.0)),
        ("y", &Pixel(at.1)),
    ];
    body.text_element("text", attributes, text);
}

/// How wide a text is, about.
pub(super) fn width(text: &str, style: Style) -> f64 {
    let ems: f64 = text.chars().map(ems).sum();
    ems * style.size()
}

/// The text in lines of at most `room` pixels, broken between words.
pub(super) fn wrapped(text: &str, style: Style, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, style) + width(word, style) + 4.0 <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn ems(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
        'f' | 't' | 'r' | ' ' | '-' | '/' | '(' | ')' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' => 0.95,
        'A'..='Z' => 0.7,
        _ if u32::from(character) >= 0x2e80 => 1.05,
        _ => 0.63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words() {
        let lines = wrapped("one two three four five six seven eight nine ten", Style::Label, 120.0);
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| width(line, Style::Label) <= 120.0), "{lines:?}");
        assert_eq!(lines.join(" "), "one two three four five six seven eight nine ten");
    }
}
