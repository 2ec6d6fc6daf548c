//! The metrics of running services are exactly the documented ones, and pass the linter of Prometheus.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use tokio::time::{Duration, Instant, sleep};

use crate::monitored_system::{MonitoredSystem, Service, TIMEOUT};

/// Metrics of a service with their kinds: the documented or the exported ones.
type Kinds = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn services_export_exactly_the_documented_metrics() {
    let system = MonitoredSystem::start(&[]).await;
    let page = Page::read();
    let started = Instant::now();
    let mut sales = 0;
    loop {
        // A refusal comes from memory only soon after another one, which may need more than one sale.
        sales += 1;
        system.sell(&format!("sale-{sales}")).await;
        let mut missing = Vec::new();
        for service in &system.services {
            let exported = service.metrics().await;
            lint(service, &exported);
            let (documented, exported_kinds) = (page.of(service.name), kinds(&exported));
            page.check_labels(&exported);
            for (name, kind) in &exported_kinds {
                assert_eq!(
                    documented.get(name),
                    Some(kind),
                    "{} exports {name}, which is documented differently",
                    service.name
                );
            }
            missing.extend(documented.into_keys().filter(|name| !exported_kinds.contains_key(name)));
        }
        if missing.is_empty() {
            return;
        }
        assert!(started.elapsed() < TIMEOUT, "documented but never exported: {missing:?}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// `promtool check metrics`: checks names, help texts and types.
fn lint(service: &Service, exported: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool cannot be run ({error}): run `make test-tools`"));
    promtool.stdin.take().expect("a pipe").write_all(exported.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.trim().is_empty(), "{}: {text}\n{exported}", service.name);
}

fn kinds(exported: &str) -> Kinds {
    let types = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// `docs/metrics.md`, row by row.
struct Page {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
    exported_by: String,
}

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        let page = fs::read_to_string(path).expect("the page of metrics");
        let rows: Vec<Row> = page.lines().filter_map(Row::read).collect();
        assert!(rows.len() > 30, "{} metrics are documented", rows.len());
        Self { rows }
    }

    fn of(&self, service: &str) -> Kinds {
        let exported = |row: &&Row| row.exported_by.split(", ").any(|by| by == service || by == "all");
        self.rows.iter().filter(exported).map(|row| (row.name.clone(), row.kind.clone())).collect()
    }

    /// Every label of every series is documented, except `le` of histograms.
    fn check_labels(&self, exported: &str) {
        for line in exported.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, labels)) = line.split_once('{') else { continue };
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let row = self.rows.iter().find(|row| row.name == name || Some(row.name.as_str()) == base);
            let row = row.unwrap_or_else(|| panic!("{line} is not documented"));
            for label in labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name)
            {
                assert!(label == "le" || row.labels.contains(label), "{label} is not documented: {line}");
            }
        }
    }
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`').to_owned();
        let (_otel, kind) = (cells.next()?, cells.next()?.to_owned());
        let labels = cells.next()?.split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
        let exported_by = cells.next()?.to_owned();
        Some(Self { name, kind, labels, exported_by })
    }
}
