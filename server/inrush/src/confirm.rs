//! The question before something that cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::problem;

/// Asks on a terminal, unless `yes` was said already. A script has nobody to ask and is taken at its word.
///
/// # Errors
/// If the answer is not yes.
pub(crate) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let mut screen = io::stderr().lock();
    write!(screen, "{question} [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(problem::failed("nothing was done", "answer y, or give --yes, to do it"))
}
