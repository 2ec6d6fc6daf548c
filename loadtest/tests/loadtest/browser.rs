//! A headless browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Names of the program.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Disables background activity of the browser and access to other machines.
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

/// The browser.
pub(crate) struct Browser(PathBuf);

/// The visit of a page.
pub(crate) struct Visit {
    /// The DOM after the script of the page has run.
    pub(crate) dom: String,
    /// The lines of the console: errors, and violations of the content security policy.
    pub(crate) console: Vec<String>,
    /// The URLs that the page requested, apart from its own.
    pub(crate) requests: Vec<String>,
}

impl Browser {
    /// Finds the browser in PATH.
    pub(crate) fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let files = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        let found = files.into_iter().find(|file| file.is_file());
        Self(found.expect("no Chromium in PATH: tools/install-test-tools installs it"))
    }

    /// Opens a file, runs its script, and closes it.
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
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        Visit {
            dom: String::from_utf8(output.stdout).unwrap(),
            console: stderr.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
            requests: requests(&fs::read_to_string(net_log).unwrap()),
        }
    }
}

/// The initiator of requests of the browser itself.
const BROWSER_ITSELF: &str = "not an origin";

/// The URLs in Chromium's network log that a page requested.
fn requests(net_log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(net_log).unwrap();
    let number = |kind: &str, name: &str| log["constants"][kind][name].as_u64().unwrap();
    let (start, request) =
        (number("logEventTypes", "URL_REQUEST_START_JOB"), number("logSourceType", "URL_REQUEST"));
    let events = log["events"].as_array().unwrap().iter();
    let started = events.filter(|event| event["type"] == start && event["source"]["type"] == request);
    let requests = started.map(|event| &event["params"]);
    let by_page = requests.filter(|request| request["initiator"] != BROWSER_ITSELF);
    by_page.filter_map(|request| request["url"].as_str()).map(str::to_owned).collect()
}
