//! docs/ghz.md matches the program.

use std::{collections::BTreeSet, process::Command};

use inrush_loadtest::message::{VARIABLES, function_names};

const PAGE: &str = include_str!("../../../docs/ghz.md");

/// The flags of `ghz --help`.
const GHZ: &str = "config proto protoset call import-paths cacert cert key cname skipTLS insecure authority async rps \
    load-schedule load-start load-step load-end load-step-duration load-max-duration concurrency concurrency-schedule \
    concurrency-start concurrency-end concurrency-step concurrency-step-duration concurrency-max-duration total timeout \
    duration max-duration duration-stop data data-file binary binary-file metadata metadata-file stream-interval \
    stream-call-duration stream-call-count stream-dynamic-messages reflect-metadata output format skipFirst count-errors \
    connections connect-timeout keepalive name tags cpus debug enable-compression lb-strategy max-recv-message-size \
    max-send-message-size disable-template-functions disable-template-data version help";

#[test]
fn the_tables_list_every_flag_and_every_flag_of_ghz_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest")).args(["call", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags: BTreeSet<&str> = help.lines().filter_map(flag_of_help).collect();
    let listed: BTreeSet<&str> =
        PAGE.lines().filter(|line| line.starts_with("| `-")).filter_map(flag_of_table).collect();
    assert_eq!(flags, listed);
    let missing: Vec<&str> = GHZ.split_whitespace().filter(|flag| !flags.contains(flag)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `  -c, --concurrency <NUMBER>` and `      --cacert <FILE>`.
fn flag_of_help(line: &str) -> Option<&str> {
    let plain = line.trim_start();
    let name = plain
        .strip_prefix("--")
        .or_else(|| plain.get(4..)?.strip_prefix("--").filter(|_| plain.starts_with('-')))?;
    name.split([' ', '[', '=']).next()
}

/// `` | `-c`, `--concurrency` | … ``
fn flag_of_table(line: &str) -> Option<&str> {
    line.split_once("`--")?.1.split('`').next()
}

#[test]
fn the_page_lists_the_functions_and_variables_of_templates() {
    let functions: BTreeSet<&str> = function_names().collect();
    assert_eq!(listed("functions"), functions);
    let variables: BTreeSet<String> = VARIABLES.iter().map(|name| format!(".{name}")).collect();
    assert_eq!(listed("variables"), variables.iter().map(String::as_str).collect());
}

/// The names in backquotes in a part of the page.
fn listed(part: &str) -> BTreeSet<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("<!-- {part} -->")).unwrap();
    let (part, _) = rest.split_once("<!-- end -->").unwrap();
    part.split('`').map(str::trim).filter(|name| !name.is_empty()).collect()
}
