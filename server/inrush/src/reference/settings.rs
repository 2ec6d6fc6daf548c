//! The page of keys, variables and flags.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};
use inrush_runtime::config::{Loader, Setting, key_docs};

use super::{cell, check_page};
use crate::{cli::Cli, settings::Settings};

const HEAD: &str = "\
# Configuration

This page is generated from the settings, their doc comments and the command line. After a change, write it again with
`INRUSH_TEST_WRITE_DOCS=1 cargo test -p inrush --bin inrush reference`.

Settings have layers; a later one overrides an earlier one: defaults, a TOML file (`--config FILE` or `INRUSH_CONFIG`),
variables, flags. `inrush config` prints the result with the source of each value; `/config` on the admin port shows it
for a running process. An unknown key or variable is an error that names the nearest known one. Durations are written
`250ms`, `10s`, `5m`, `1h`; lists `a,b,c` in a variable; maps `name=1,other=2`. Secrets are read from variables and
files only.

## Settings

| key | variable | flag | default | meaning and range |
|---|---|---|---|---|
";

const VARIABLES: &str = "
## Variables that are not settings

| variable | meaning |
|---|---|
| `INRUSH_CONFIG` | Path of the TOML file, as `--config`. |
| `OTEL_RESOURCE_ATTRIBUTES` | Resource attributes of exported traces, metrics and logs: `key=value,key=value`. They override those of the process. |
| `NO_COLOR` | If set, output has no colours. |
| `RUST_BACKTRACE` | `1`: a panic is logged with its backtrace. |

";

const FLAGS: &str = "\
## Flags that are not settings

Options of single commands; see `inrush COMMAND --help` and [the commands](commands.md) for details.

| command | flag | default | meaning |
|---|---|---|---|
";

/// Commands whose flags change settings, without any flags.
const COMMANDS: [&str; 8] = [
    "inrush up",
    "inrush front",
    "inrush fulfilment",
    "inrush orders",
    "inrush demo",
    "inrush config",
    "inrush sale list",
    "inrush ticket show -",
];

#[test]
fn the_page_of_settings_is_current() {
    check_page("configuration.md", &page());
}

fn page() -> String {
    let defaults = Loader::new().load::<Settings>().unwrap().settings();
    let docs: BTreeMap<_, _> = key_docs::<Settings>().into_iter().map(|doc| (doc.key, doc.text)).collect();
    let flags = flags_of_settings();
    let mut keys: Vec<_> = defaults.iter().map(|setting| &setting.key).collect();
    keys.sort();
    assert_eq!(docs.keys().collect::<Vec<_>>(), keys, "serde and the doc comments have the same keys");
    for key in flags.keys() {
        assert!(docs.contains_key(key), "a flag sets {key}, which is not a setting");
    }
    let mut page = HEAD.to_owned();
    for setting in &defaults {
        row(&mut page, setting, &docs[&setting.key], &flags);
    }
    page.push_str(VARIABLES);
    page.push_str(FLAGS);
    let mut inrush = Cli::command();
    inrush.build();
    other_flags(&mut page, &inrush, &flags, &[]);
    page
}

fn row(page: &mut String, setting: &Setting, meaning: &str, flags: &BTreeMap<String, Vec<Flag>>) {
    let Setting { key, variable, value } = setting;
    assert!(!meaning.is_empty(), "{key} has no doc comment");
    let value = value.as_ref().map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
    let flags = flags
        .get(key)
        .map_or_else(String::new, |flags| flags.iter().map(Flag::to_string).collect::<Vec<_>>().join("; "));
    writeln!(page, "| `{key}` | `{variable}` | {flags} | {} | {} |", cell(&value), cell(meaning)).unwrap();
}

/// A flag and the commands that have it.
struct Flag {
    name: String,
    commands: Vec<&'static str>,
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({})", self.name, self.commands.join(", "))
    }
}

/// The flags that set each key.
fn flags_of_settings() -> BTreeMap<String, Vec<Flag>> {
    let mut keys: BTreeMap<String, Vec<Flag>> = BTreeMap::new();
    for line in COMMANDS {
        let command = line.split(' ').nth(1).unwrap();
        let typed = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        for (key, name) in typed.command.settings().names() {
            let flags = keys.entry(key.to_owned()).or_default();
            match flags.iter_mut().find(|flag| flag.name == name) {
                Some(flag) => flag.commands.push(command),
                None => flags.push(Flag { name: name.to_owned(), commands: vec![command] }),
            }
        }
    }
    keys
}

/// The flags of a command and its subcommands that are not settings. Inherited flags are listed at their own
/// command.
fn other_flags(
    page: &mut String,
    command: &Command,
    settings: &BTreeMap<String, Vec<Flag>>,
    inherited: &[String],
) {
    let mut passed_on = inherited.to_vec();
    let top = command.get_bin_name().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    for argument in command.get_arguments() {
        let Some(name) = argument.get_long().map(|name| format!("--{name}")) else { continue };
        let sets = |flag: &Flag| flag.name == name && flag.commands.contains(&top.as_str());
        if argument.is_global_set() {
            passed_on.push(name.clone());
        }
        let is_help = ["--help", "--version"].contains(&name.as_str());
        if settings.values().flatten().any(sets) || inherited.contains(&name) || is_help {
            continue;
        }
        let (of, value) = (command.get_bin_name().unwrap_or("inrush"), default_of(argument));
        let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(page, "| `{of}` | `{name}` | {} | {} |", cell(&value), cell(&meaning)).unwrap();
    }
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        other_flags(page, subcommand, settings, &passed_on);
    }
}

fn default_of(argument: &Arg) -> String {
    if !matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
        return String::new();
    }
    let values = argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy()));
    values.collect::<Vec<_>>().join(", ")
}
