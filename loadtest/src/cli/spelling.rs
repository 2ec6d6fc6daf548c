//! The spellings of flags that ghz takes and clap does not.

use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The command that a command line of ghz means.
const CALL: &str = "call";

/// Rewrites a command line, with the program's name in front:
///
/// - `inrush-loadtest --call …` becomes `inrush-loadtest call --call …`;
/// - `--no-insecure` becomes `--insecure=false`;
/// - `-rps 200` becomes `--rps 200`, since ghz's own documentation has it.
pub(super) fn understood(command: &Command, arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if means_call(command, arguments.get(1)) {
        arguments.insert(1, CALL.into());
    }
    let is_call = arguments.get(1).is_some_and(|first| first == CALL);
    if let (true, Some(call)) = (is_call, command.find_subcommand(CALL)) {
        // What follows a lone `--` is no flag.
        let flags = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        for argument in arguments.iter_mut().take(flags).skip(2) {
            if let Some(better) = argument.to_str().and_then(|text| respelt(call, text)) {
                *argument = better.into();
            }
        }
    }
    arguments
}

/// Whether what comes first is neither a command nor a question to the program itself.
fn means_call(command: &Command, first: Option<&OsString>) -> bool {
    let Some(first) = first.and_then(|first| first.to_str()) else { return false };
    let known = ["help", "-h", "--help", "-v", "-V", "--version"];
    // A flag, or a host with its port: a misspelt command is neither.
    let is_host_or_flag = first.starts_with('-') || first.contains([':', '.']);
    is_host_or_flag && !known.contains(&first) && command.find_subcommand(first).is_none()
}

fn respelt(call: &Command, text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("--no-") {
        let switch = call.get_arguments().find(|flag| flag.get_long() == Some(name))?;
        let takes_none = matches!(switch.get_action(), ArgAction::Set)
            && switch.get_num_args().is_some_and(|values| values.min_values() == 0);
        return takes_none.then(|| format!("--{name}=false"));
    }
    let name = text.strip_prefix('-').filter(|name| name.len() > 1 && !name.starts_with('-'))?;
    let (name, _) = name.split_once('=').unwrap_or((name, ""));
    call.get_arguments().any(|flag| flag.get_long() == Some(name)).then(|| format!("-{text}"))
}
