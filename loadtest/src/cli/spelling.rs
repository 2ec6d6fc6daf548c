//! Spellings of flags that ghz accepts and clap does not.

use std::{any::TypeId, ffi::OsString};

use clap::{Arg, Command};

/// The command of ghz's command lines.
const CALL: &str = "call";

/// Makes the switches of `call` accept `--insecure` and `--insecure=true`.
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

/// Rewrites a command line, which begins with the name of the program:
///
/// - `inrush-loadtest --call …` becomes `inrush-loadtest call --call …`;
/// - `--no-insecure` becomes `--insecure=false`;
/// - `-rps 200` becomes `--rps 200`, which occurs in ghz's documentation.
pub(super) fn normalize(command: &Command, arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if is_call_implied(command, arguments.get(1)) {
        arguments.insert(1, CALL.into());
    }
    let is_call = arguments.get(1).is_some_and(|first| first == CALL);
    if let (true, Some(call)) = (is_call, command.find_subcommand(CALL)) {
        // Arguments after `--` are not flags.
        let flags = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        for argument in arguments.iter_mut().take(flags).skip(2) {
            if let Some(better) = argument.to_str().and_then(|text| normalize_flag(call, text)) {
                *argument = better.into();
            }
        }
    }
    arguments
}

/// Whether the first argument is neither a command nor a flag of the program itself.
fn is_call_implied(command: &Command, first: Option<&OsString>) -> bool {
    let Some(first) = first.and_then(|first| first.to_str()) else { return false };
    let own_flags = ["help", "-h", "--help", "-v", "-V", "--version"];
    // A flag, or a host with its port, and not a misspelt command.
    let is_host_or_flag = first.starts_with('-') || first.contains([':', '.']);
    is_host_or_flag && !own_flags.contains(&first) && command.find_subcommand(first).is_none()
}

fn normalize_flag(call: &Command, text: &str) -> Option<String> {
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

    /// A command line, without the name of the program, after normalization.
    fn normalized(line: &str) -> String {
        let arguments = ["inrush-loadtest"].into_iter().chain(line.split(' ')).map(OsString::from);
        let normalized = normalize(&with_switches(Arguments::command()), arguments);
        normalized[1..].iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn spellings_of_ghz_are_normalized() {
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
            assert_eq!(normalized(line), expected, "{line}");
        }
    }

    #[test]
    fn a_switch_takes_a_value_only_after_an_equals_sign() {
        for (line, is_valid) in [
            ("call --insecure host:1", true),
            ("call --insecure=false host:1", true),
            ("call -e host:1", true),
            ("call --insecure false host:1", false),
            ("call --insecure=perhaps host:1", false),
        ] {
            let words = ["inrush-loadtest"].into_iter().chain(line.split(' '));
            let matches = with_switches(Arguments::command()).try_get_matches_from(words);
            let parsed = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
            assert_eq!(parsed.is_ok(), is_valid, "{line}");
        }
    }
}
