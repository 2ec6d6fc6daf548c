//! The spellings of flags that ghz takes and clap does not.

use std::{any::TypeId, ffi::OsString};

use clap::{Arg, Command};

/// The command that a command line of ghz means.
const CALL: &str = "call";

/// Lets the switches of `call` be given as `--insecure` and as `--insecure=true`.
pub(super) fn with_switches(command: Command) -> Command {
    command.mut_subcommand(CALL, |call| {
        call.mut_args(|argument| {
            if is_switch(&argument) {
                let argument = argument.num_args(0..=1).require_equals(true).default_missing_value("true");
                argument.value_name("BOOL").hide_possible_values(true)
            } else {
                argument
            }
        })
    })
}

fn is_switch(argument: &Arg) -> bool {
    argument.get_action().takes_values() && argument.get_value_parser().type_id() == TypeId::of::<bool>()
}

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
        return is_switch(switch).then(|| format!("--{name}=false"));
    }
    let name = text.strip_prefix('-').filter(|name| name.len() > 1 && !name.starts_with('-'))?;
    let (name, _) = name.split_once('=').unwrap_or((name, ""));
    call.get_arguments().any(|flag| flag.get_long() == Some(name)).then(|| format!("-{text}"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::cli::Arguments;

    /// What a command line, without the program's name, is understood as.
    fn respelt(line: &str) -> String {
        let given = ["inrush-loadtest"].into_iter().chain(line.split(' ')).map(OsString::from);
        let understood = understood(&with_switches(Arguments::command()), given);
        understood[1..].iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_spellings_of_ghz_are_understood() {
        let cases = [
            ("--insecure host:1", "call --insecure host:1"),
            ("host:1 -c50", "call host:1 -c50"),
            ("call --no-insecure host:1", "call --insecure=false host:1"),
            ("-rps 200 -rps=200 -r 200", "call --rps 200 --rps=200 -r 200"),
            ("call host:1 -- -rps", "call host:1 -- -rps"),
            ("--no-rps", "call --no-rps"),
            ("cal host:1", "cal host:1"),
            ("--help", "--help"),
            ("help call", "help call"),
        ];
        for (line, expected) in cases {
            assert_eq!(respelt(line), expected, "{line}");
        }
    }

    #[test]
    fn a_switch_takes_a_value_only_behind_an_equals_sign() {
        for (line, well) in [
            ("call --insecure host:1", true),
            ("call --insecure=false host:1", true),
            ("call -e host:1", true),
            ("call --insecure false host:1", false),
            ("call --insecure=perhaps host:1", false),
        ] {
            let words = ["inrush-loadtest"].into_iter().chain(line.split(' '));
            let matches = with_switches(Arguments::command()).try_get_matches_from(words);
            let parsed = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
            assert_eq!(parsed.is_ok(), well, "{line}");
        }
    }
}
