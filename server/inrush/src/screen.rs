//! Where results go: text for people, JSON for programs, colour only where it is wanted.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Row, Table, presets};
use serde_json::Value;

/// Something that can be shown.
pub(crate) trait Present {
    /// As people read it; lines without a final line break.
    fn text(&self, screen: &Screen) -> String;

    /// As programs read it.
    fn json(&self) -> Value;
}

/// Standard output, and how to use it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    json: bool,
    terminal: bool,
    colour: bool,
}

/// What a piece of text means, told by colour where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong.
    Bad,
    /// Over, or of little interest.
    Quiet,
    /// The name of the thing that is shown.
    Title,
}

impl Tone {
    /// The parameter of the terminal's "select graphic rendition" sequence.
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Quiet => "2",
            Self::Title => "1",
        }
    }

    const fn colour(self) -> Option<Color> {
        match self {
            Self::Good => Some(Color::DarkGreen),
            Self::Warning => Some(Color::DarkYellow),
            Self::Bad => Some(Color::DarkRed),
            Self::Quiet => Some(Color::DarkGrey),
            Self::Title => None,
        }
    }
}

impl Screen {
    /// The process's standard output; `json` if that was asked for.
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

    /// Whether programs read what is printed.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a view may be drawn over.
    pub(crate) const fn can_redraw(&self) -> bool {
        self.terminal && !self.json
    }

    /// Prints one thing.
    pub(crate) fn show(&self, thing: &impl Present) -> io::Result<()> {
        if self.json { self.line(&thing.json().to_string()) } else { self.line(&thing.text(self)) }
    }

    /// Prints text and ends the line.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// Text in a tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if self.colour { format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()) } else { text.to_owned() }
    }

    /// An empty table with these columns. As wide as its content in a pipe, at most as the terminal on one.
    pub(crate) fn table<const N: usize>(&self, columns: [&str; N]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        self.fit(&mut table);
        table.set_header(Row::from(columns.map(|name| self.cell(Tone::Quiet, name))));
        table
    }

    /// Names and values, one pair a line.
    pub(crate) fn pairs<const N: usize>(&self, pairs: [(&str, String); N]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        self.fit(&mut table);
        table.add_rows(pairs.map(|(name, value)| [self.cell(Tone::Quiet, name), Cell::new(value)]));
        lines(&table)
    }

    /// A cell in a tone.
    pub(crate) fn cell(&self, tone: Tone, text: impl Into<String>) -> Cell {
        let cell = Cell::new(text.into());
        match tone.colour() {
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

/// A view on a terminal that is drawn over the one before.
#[derive(Debug, Default)]
pub(crate) struct Redrawn {
    lines: usize,
}

impl Redrawn {
    /// Draws the view. A line that is longer than the terminal is wide would leave a rest behind, so views are narrow.
    pub(crate) fn draw(&mut self, view: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.lines > 0 {
            // To the first line of the view before, and clear from there on.
            write!(out, "\u{1b}[{}A\u{1b}[J", self.lines)?;
        }
        writeln!(out, "{view}")?;
        self.lines = view.lines().count();
        out.flush()
    }
}

/// A cell whose content stands on the right, as numbers do.
pub(crate) fn number(cell: impl Into<Cell>) -> Cell {
    cell.into().set_alignment(CellAlignment::Right)
}

/// The lines of a table, without the blanks that fill the last column.
pub(crate) fn lines(table: &Table) -> String {
    table.trim_fmt()
}

/// Whether an error says no more than that nobody reads our output any longer (`inrush sale list | head -1`).
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
