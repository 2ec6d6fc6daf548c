//! Settings come in layers, and every error has its remedy.

use std::fs;

use serde_json::Value;

use crate::support::{command, inrush, run, text};

fn config_with(file: &str, variables: &[(&str, &str)], flags: &str) -> crate::support::Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inrush.toml");
    fs::write(&path, file).unwrap();
    let mut config = command(&format!("config --config {} {flags}", text(&path)));
    config.envs(variables.iter().copied());
    run(config)
}

#[test]
fn each_layer_overrides_those_before_and_is_the_origin() {
    let file = "[front]\nlisten = \"127.0.0.1:1\"\ncores = 3\nmax_batch = 16\n";
    let variables = [("INRUSH_FRONT_CORES", "4"), ("INRUSH_FRONT_MAX_BATCH", "32")];
    let settings = config_with(file, &variables, "--cores 5 --json").json();
    let find = |key: &str| {
        let entry = settings.as_array().unwrap().iter().find(|entry| entry["key"] == key);
        let entry = entry.unwrap_or_else(|| panic!("no {key}: {settings}"));
        (entry["value"].clone(), entry["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(find("front.cores"), (Value::from(5), "flag --cores".to_owned()));
    assert_eq!(find("front.max_batch"), (Value::from(32), "variable INRUSH_FRONT_MAX_BATCH".to_owned()));
    let (listen, origin) = find("front.listen");
    assert_eq!(listen, "127.0.0.1:1");
    assert!(origin.ends_with("inrush.toml, line 2"), "{origin}");
    assert_eq!(find("store.url"), (Value::from("memory:"), "default".to_owned()));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inrush.toml");
    let first = config_with("", &[], "--capacity 50 --listen 127.0.0.1:7").expect_code(0).stdout;
    fs::write(&path, &first).unwrap();
    let second = inrush(&format!("config --config {}", text(&path))).expect_code(0).stdout;
    let without_origins = |toml: &str| -> Vec<String> {
        toml.lines().map(|line| line.split("  #").next().unwrap_or_default().trim_end().to_owned()).collect()
    };
    assert_eq!(without_origins(&first), without_origins(&second));
    assert!(first.contains("flag --capacity") && second.contains("inrush.toml, line"), "{second}");
}

#[test]
fn secrets_are_not_shown() {
    let variables = [
        ("INRUSH_TICKETS_KEYS", "0:hunter2"),
        ("INRUSH_CLIENT_TOKEN", "hunter2"),
        ("INRUSH_STORE_URL", "redis://inrush:hunter2@10.0.0.1"),
        ("INRUSH_ORDERS_DATABASE", "postgres://inrush:hunter2@10.0.0.1/orders"),
    ];
    for json in ["", "--json"] {
        let shown = config_with("", &variables, json).expect_code(0).stdout;
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("(set)") && shown.contains("redis://inrush:***@10.0.0.1"), "{shown}");
    }
}

#[test]
fn secrets_have_no_place_in_arguments_or_files() {
    for flag in ["--store redis://:hunter2@10.0.0.1", "--database postgres://a:hunter2@10.0.0.1/orders"] {
        let ran = config_with("", &[], flag);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
        ran.expect_error(2, &["password", "INRUSH_"]);
    }
    config_with("[tickets]\nkeys = \"0:hunter2\"\n", &[], "")
        .expect_error(2, &["`tickets.keys` is a secret", "tickets.keys_file", "INRUSH_TICKETS_KEYS"]);
}

#[test]
fn unknown_names_get_the_nearest() {
    config_with("[front]\nlisen = \"127.0.0.1:1\"\n", &[], "")
        .expect_error(2, &["unknown key `front.lisen`", "line 2", "did you mean `front.listen`?"]);
    config_with("", &[("INRUSH_STORE_ULR", "memory:")], "")
        .expect_error(2, &["INRUSH_STORE_ULR", "did you mean `INRUSH_STORE_URL`?"]);
    config_with("[front]\nlisen = \"x\"\n[stor]\nurl = \"x\"\n", &[], "").expect_error(2, &["2 errors"]);
}

#[test]
fn wrong_values_name_their_place() {
    config_with("[front]\ncores = \"many\"\n", &[], "").expect_error(2, &["front.cores", "line 2"]);
    config_with("", &[("INRUSH_CLIENT_TIMEOUT", "soon")], "").expect_error(2, &["INRUSH_CLIENT_TIMEOUT"]);
    inrush("config --config /nowhere/inrush.toml").expect_error(2, &["/nowhere/inrush.toml", "No such file"]);
}

#[test]
fn the_file_can_come_from_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inrush.toml");
    fs::write(&path, "server = \"http://10.0.0.1:1\"\n").unwrap();
    let mut config = command("config");
    config.env("INRUSH_CONFIG", &path);
    assert!(run(config).expect_code(0).stdout.contains("http://10.0.0.1:1"));
}
