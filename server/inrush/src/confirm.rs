//! Confirmation of an irreversible command.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::error;

/// Asks on a terminal, unless `yes` is set. Without a terminal there is no question.
///
/// # Errors
/// If the answer is not yes.
pub(crate) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let mut prompt = io::stderr().lock();
    write!(prompt, "{question} [y/N] ")?;
    prompt.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(error::failure("cancelled: nothing was changed", "answer y, or use --yes"))
}
