//! The commands as a page of documentation, generated from their definitions. A test keeps the page current.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _, Id};

use super::{Cli, HELP_WIDTH};
use crate::reference::check_page;

const HEAD: &str = "\
# Commands

This page is generated from the definitions of the commands; `inrush COMMAND --help` prints the same. After a change,
write it again with `INRUSH_TEST_WRITE_DOCS=1 cargo test -p inrush --bin inrush manual`.

Shared flags are shown once: the flags of `inrush` apply to all commands, those of `inrush sale` and `inrush ticket` to
their subcommands.
";

#[test]
fn the_manual_is_current() {
    check_page("commands.md", &manual());
}

fn manual() -> String {
    let mut page = HEAD.to_owned();
    let mut inrush = Cli::command().term_width(HELP_WIDTH);
    inrush.build();
    describe(&mut page, inrush, &[]);
    page
}

/// Writes the help of a command and its subcommands, without inherited flags.
fn describe(page: &mut String, command: Command, shown: &[Id]) {
    let mut command = command.mut_args(|arg| if shown.contains(arg.get_id()) { arg.hide(true) } else { arg });
    let name = command.get_bin_name().unwrap_or("inrush").to_owned();
    let level = "#".repeat(2 + name.split(' ').count().saturating_sub(1).min(2));
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    write!(page, "\n{level} {name}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    let mut shown: Vec<Id> = shown.to_vec();
    shown.extend(command.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().clone()));
    shown.extend(["help", "version"].map(Id::from));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        describe(page, subcommand.clone(), &shown);
    }
}
