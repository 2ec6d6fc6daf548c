//! Builds HTML and SVG. Everything is escaped unless it is added as markup.

use std::fmt::{Display, Write as _};

/// Names and values of attributes.
pub type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

/// A piece of HTML or SVG. Texts and values of attributes are escaped as they are added, so that a server's error text
/// stays a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element; `fill` adds what is in it.
    pub fn element(&mut self, name: &str, attributes: Attributes<'_>, fill: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        self.0.push('>');
        fill(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// Adds an element that holds a text.
    pub fn text_element(&mut self, name: &str, attributes: Attributes<'_>, text: impl Display) {
        self.element(name, attributes, |inside| inside.text(text));
    }

    /// Adds an element that holds nothing.
    pub fn leaf(&mut self, name: &str, attributes: Attributes<'_>) {
        self.open(name, attributes);
        self.0.push_str("/>");
    }

    /// Adds a text.
    pub fn text(&mut self, text: impl Display) {
        escape(&text.to_string(), &mut self.0);
    }

    /// Adds a piece that is markup, a style sheet or a script already. Never to be called with what a user or a server
    /// wrote.
    pub fn verbatim(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        let _ = write!(self.0, "<{name}");
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            escape(&value.to_string(), &mut self.0);
            self.0.push('"');
        }
    }
}

/// XML allows no control characters, whichever way they are written: they become a visible sign.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            '\n' | '\t' => into.push(character),
            _ if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                into.push('\u{fffd}');
            }
            _ => into.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_cannot_break_out() {
        let mut markup = Markup::new();
        let hostile = "\"'></script><b>&\u{1b}\0";
        markup.element("p", &[("title", &hostile)], |inside| inside.text(hostile));
        let escaped = "&quot;&#39;&gt;&lt;/script&gt;&lt;b&gt;&amp;\u{fffd}\u{fffd}";
        assert_eq!(markup.as_str(), format!("<p title=\"{escaped}\">{escaped}</p>"));
    }
}
