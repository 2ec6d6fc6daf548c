//! The dashboard below what the terminal already shows, drawn over itself at every moment.
//!
//! Only relative moves are used. To ask the terminal where its cursor is, a question would have to go to stdout, where
//! the report goes, or the terminal to be put into another mode, in which Ctrl-C is a key like any other. So there is
//! nothing to restore, however the program ends.

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

use super::{Scene, View, dashboard};

/// Draws on the terminal that stderr is.
pub(super) struct Terminal {
    title: String,
    /// Lines that were drawn last.
    drawn: u16,
}

impl Terminal {
    /// Nothing is drawn yet.
    ///
    /// # Errors
    /// When the terminal does not tell its size.
    pub(super) fn open(title: &str) -> io::Result<Self> {
        size()?;
        Ok(Self { title: title.to_owned(), drawn: 0 })
    }

    fn draw(&mut self, scene: &Scene<'_>) -> io::Result<()> {
        let (columns, rows) = size()?;
        // One line and one column less than there are, so that the terminal neither scrolls nor wraps.
        let area = Rect::new(0, 0, columns.saturating_sub(1), rows.saturating_sub(1).min(dashboard::HEIGHT));
        let mut buffer = Buffer::empty(area);
        dashboard::draw(&self.title, scene, &mut buffer);
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
    fn show(&mut self, scene: &Scene<'_>) {
        // A terminal that has gone away does not stop the run.
        let _ = self.draw(scene);
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
