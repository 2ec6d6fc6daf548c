//! The command line: one file per command.

mod fail_if;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
pub use fail_if::FailIf;

use crate::problem::Problem;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    /// It ran, and a threshold or a check failed: exit code 1.
    Failed,
}

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(name = "inrush-loadtest", version, about = "Load tests of gRPC services and of flash sales")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// The life of the process: parse, run, exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<Verdict, Problem> {
    match command {}
}
