//! Redraws the dashboard in place, below the previous output of the terminal.
//!
//! Only relative cursor moves are used. Querying the cursor position would write to stdout, which is reserved for the
//! report, or require raw mode, in which Ctrl-C sends no signal. So there is no terminal state to restore at exit.

use std::io::{self, Write, stderr};

use ratatui::{
    backend::IntoCrossterm as _,
    buffer::{Buffer, Cell},
    crossterm::{
        cursor::MoveToPreviousLine,
        queue,
        style::{ContentStyle, PrintStyledContent, StyledContent},
        terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, size},
    },
    layout::Rect,
};

use super::{
    dashboard,
    view::{Snapshot, View},
};

/// Draws on the terminal behind stderr.
pub(super) struct Terminal {
    title: String,
    /// Number of lines of the last frame.
    drawn: u16,
}

impl Terminal {
    /// A terminal without a frame.
    ///
    /// # Errors
    /// If the size of the terminal is unknown.
    pub(super) fn open(title: &str) -> io::Result<Self> {
        size()?;
        Ok(Self { title: title.to_owned(), drawn: 0 })
    }

    fn draw(&mut self, snapshot: &Snapshot<'_>) -> io::Result<()> {
        let (columns, rows) = size()?;
        // One line and one column less than the terminal has, so that it neither scrolls nor wraps.
        let area = Rect::new(0, 0, columns.saturating_sub(1), rows.saturating_sub(1).min(dashboard::HEIGHT));
        let mut buffer = Buffer::empty(area);
        dashboard::draw(&self.title, snapshot, &mut buffer);
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate)?;
        if self.drawn > 0 {
            queue!(frame, MoveToPreviousLine(self.drawn))?;
        }
        queue!(frame, Clear(ClearType::FromCursorDown))?;
        write_lines(&buffer, &mut frame)?;
        queue!(frame, EndSynchronizedUpdate)?;
        self.drawn = area.height;
        stderr().lock().write_all(&frame)
    }
}

impl View for Terminal {
    fn show(&mut self, snapshot: &Snapshot<'_>) {
        // A closed terminal does not stop the run.
        let _ = self.draw(snapshot);
    }
}

fn write_lines(buffer: &Buffer, to: &mut Vec<u8>) -> io::Result<()> {
    for line in buffer.content().chunks(usize::from(buffer.area.width).max(1)) {
        for same in line.chunk_by(|one, next| one.style() == next.style()) {
            let text: String = same.iter().map(Cell::symbol).collect();
            let style: ContentStyle = same.first().map(Cell::style).unwrap_or_default().into_crossterm();
            queue!(to, PrintStyledContent(StyledContent::new(style, text)))?;
        }
        to.write_all(b"\r\n")?;
    }
    Ok(())
}
