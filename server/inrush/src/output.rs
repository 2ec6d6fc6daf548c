//! Output of commands: text for people, JSON for programs, colour on terminals only.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Row, Table, presets};
use serde_json::Value;

/// A value that can be printed.
pub(crate) trait Render {
    /// Text for people, without a final line break.
    fn text(&self, output: &Output) -> String;

    /// JSON for programs.
    fn json(&self) -> Value;
}

/// Standard output and its format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    terminal: bool,
    colour: bool,
}

/// The meaning of a text, shown as colour on terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Normal.
    Good,
    /// Needs attention.
    Warning,
    /// Wrong.
    Bad,
    /// Less important.
    Dim,
    /// A title.
    Title,
}

impl Style {
    /// The parameter of the terminal's "select graphic rendition" sequence.
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Title => "1",
        }
    }

    const fn colour(self) -> Option<Color> {
        match self {
            Self::Good => Some(Color::DarkGreen),
            Self::Warning => Some(Color::DarkYellow),
            Self::Bad => Some(Color::DarkRed),
            Self::Dim => Some(Color::DarkGrey),
            Self::Title => None,
        }
    }
}

impl Output {
    /// The standard output of the process, as JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, terminal, colour }
    }

    /// Text without colour, as in a pipe.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { json: false, terminal: false, colour: false }
    }

    /// Whether the format is JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a view can be redrawn in place.
    pub(crate) const fn can_redraw(&self) -> bool {
        self.terminal && !self.json
    }

    /// Prints a value.
    pub(crate) fn show(&self, thing: &impl Render) -> io::Result<()> {
        if self.json { self.line(&thing.json().to_string()) } else { self.line(&thing.text(self)) }
    }

    /// Prints text and ends the line.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// Text in a style.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()) } else { text.to_owned() }
    }

    /// An empty table with these columns. It is at most as wide as the terminal, and as wide as its content in a
    /// pipe.
    pub(crate) fn table<const N: usize>(&self, columns: [&str; N]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        self.fit(&mut table);
        table.set_header(Row::from(columns.map(|name| self.cell(Style::Dim, name))));
        table
    }

    /// Names and values, one pair per line.
    pub(crate) fn pairs<const N: usize>(&self, pairs: [(&str, String); N]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        self.fit(&mut table);
        table.add_rows(pairs.map(|(name, value)| [self.cell(Style::Dim, name), Cell::new(value)]));
        lines(&table)
    }

    /// A cell in a style.
    pub(crate) fn cell(&self, style: Style, text: impl Into<String>) -> Cell {
        let cell = Cell::new(text.into());
        match style.colour() {
            Some(colour) if self.colour => cell.fg(colour),
            Some(_) | None => cell,
        }
    }

    fn fit(&self, table: &mut Table) {
        if self.terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
    }
}

/// A view on a terminal that is redrawn in place.
#[derive(Debug, Default)]
pub(crate) struct Redrawn {
    lines: usize,
}

impl Redrawn {
    /// Draws the view over the previous one. Its lines must be narrower than the terminal: a wrapped line would
    /// remain.
    pub(crate) fn draw(&mut self, view: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.lines > 0 {
            // Move to the first line of the previous view and clear to the end.
            write!(out, "\u{1b}[{}A\u{1b}[J", self.lines)?;
        }
        writeln!(out, "{view}")?;
        self.lines = view.lines().count();
        out.flush()
    }
}

/// A right-aligned cell, for numbers.
pub(crate) fn number(cell: impl Into<Cell>) -> Cell {
    cell.into().set_alignment(CellAlignment::Right)
}

/// The lines of a table, without trailing blanks.
pub(crate) fn lines(table: &Table) -> String {
    table.trim_fmt()
}

/// Whether an error is a closed output pipe (`inrush sale list | head -1`).
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
