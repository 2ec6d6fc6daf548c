//! A real browser without a window.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Names under which systems have it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What the browser would do of its own accord is switched off as far as it lets itself, and finds no other machine.
const FLAGS: [&str; 15] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A program that opens pages.
pub(crate) struct Browser(PathBuf);

/// What a page did.
pub(crate) struct Visit {
    /// The page after its script ran.
    pub(crate) dom: String,
    /// Everything on the console: errors, and what the content policy forbade.
    pub(crate) console: Vec<String>,
    /// Every address that the page asked for, apart from the file itself.
    pub(crate) requests: Vec<String>,
}

impl Browser {
    /// The one on PATH.
    pub(crate) fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let files = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        let found = files.into_iter().find(|file| file.is_file());
        Self(found.expect("no Chromium on PATH: tools/install-test-tools installs one"))
    }

    /// Opens a file, lets its script run, and closes it.
    pub(crate) fn visit(&self, page: &Path) -> Visit {
        let profile = tempfile::tempdir().unwrap();
        let net_log = profile.path().join("net.json");
        let output = Command::new(&self.0)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg(format!("--log-net-log={}", net_log.display()))
            .args(["--virtual-time-budget=2000", "--dump-dom"])
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complaints}");
        Visit {
            dom: String::from_utf8(output.stdout).unwrap(),
            console: complaints.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
            requests: requests(&fs::read_to_string(net_log).unwrap()),
        }
    }
}

/// Who asks where the browser itself does, and not a page.
const NO_PAGE: &str = "not an origin";

/// The addresses in Chromium's log of its network that a page asked for.
fn requests(net_log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(net_log).unwrap();
    let number = |kind: &str, name: &str| log["constants"][kind][name].as_u64().unwrap();
    let (start, request) =
        (number("logEventTypes", "URL_REQUEST_START_JOB"), number("logSourceType", "URL_REQUEST"));
    let events = log["events"].as_array().unwrap().iter();
    let started = events.filter(|event| event["type"] == start && event["source"]["type"] == request);
    let of_pages = started.map(|event| &event["params"]).filter(|asked| asked["initiator"] != NO_PAGE);
    of_pages.filter_map(|asked| asked["url"].as_str()).map(str::to_owned).collect()
}
