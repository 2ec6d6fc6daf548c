//! Every command has help, and usage errors refer to it.

use std::process::Stdio;

use crate::support::{Ran, command, inrush, run};

const COMMANDS: [&str; 28] = [
    "",
    "demo",
    "up",
    "front",
    "fulfilment",
    "orders",
    "config",
    "completions",
    "sale",
    "sale create",
    "sale list",
    "sale show",
    "sale update",
    "sale hold",
    "sale resume",
    "sale close",
    "sale delete",
    "sale watch",
    "sale dead-letters",
    "sale redrive",
    "sale discard",
    "ticket",
    "ticket enqueue",
    "ticket show",
    "ticket watch",
    "ticket cancel",
    "ticket release",
    "ticket new-key",
];

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in COMMANDS {
        let help = inrush(&format!("{command} --help")).expect_code(0).stdout;
        assert!(help.contains("Usage: inrush"), "{command}: {help}");
        assert!(help.contains("Example") || help.contains("First steps"), "{command} has no example: {help}");
    }
}

#[test]
fn the_short_help_is_shorter() {
    for command in COMMANDS {
        let [short, long] =
            ["-h", "--help"].map(|flag| inrush(&format!("{command} {flag}")).expect_code(0).stdout);
        assert!(short.lines().count() < long.lines().count(), "{command}");
    }
}

#[test]
fn wrong_arguments_are_usage_errors() {
    inrush("sale list --bogus").expect_error(2, &["unexpected argument '--bogus'", "--help"]);
    inrush("sale lst").expect_error(2, &["a similar subcommand exists: 'list'"]);
    inrush("sale create phone-x --open tomorrow").expect_error(2, &["write 2026-11-11T20:00:00Z"]);
    inrush("sale update phone-x").expect_error(2, &["--stock"]);
    inrush("sale redrive phone-x").expect_error(2, &["--all"]);
    inrush("sale redrive phone-x 1 --all").expect_error(2, &["cannot be used with"]);
    assert_eq!(inrush("").code, Some(2));
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = inrush(&format!("completions {shell}")).expect_code(0).stdout;
        assert!(script.contains("dead-letters"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut printing =
        command("completions bash").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(printing.stdout.take());
    let ran = Ran::from(printing.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn new_keys_are_all_different_and_go_straight_into_a_file() {
    let keys: Vec<String> = (0..2).map(|_| inrush("ticket new-key --id 7").expect_code(0).stdout).collect();
    assert_ne!(keys[0], keys[1]);
    for key in &keys {
        assert!(key.starts_with("7:") && key.lines().count() == 1, "{key}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut first = command("ticket new-key --out ticket.keys");
    first.current_dir(folder.path());
    let ran = run(first).expect_code(0);
    assert!(ran.stdout.contains("--ticket-keys-file ticket.keys"), "{ran:?}");
    let mut second = command("ticket new-key --out ticket.keys");
    second.current_dir(folder.path());
    run(second).expect_error(2, &["never overwritten"]);
}
