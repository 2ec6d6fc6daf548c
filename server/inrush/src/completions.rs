//! `inrush completions`: a script for the shell.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// Prints the script.
///
/// # Errors
/// If it cannot be printed.
pub(crate) fn print(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "inrush", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}
