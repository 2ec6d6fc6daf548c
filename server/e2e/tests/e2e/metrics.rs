//! What running services tell Prometheus is what the documentation says, and what Prometheus's own linter wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use tokio::time::{Duration, Instant, sleep};

use crate::watched::{PATIENCE, Service, Watched};

/// The documented metrics of a service, or those that it tells, each with its kind.
type Kinds = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn services_tell_exactly_the_documented_metrics() {
    let system = Watched::start(&[]).await;
    let page = Page::read();
    let started = Instant::now();
    let mut sales = 0;
    loop {
        // A refusal is answered from memory only if it comes soon after another: with luck in the first sale.
        sales += 1;
        system.sell(&format!("sale-{sales}")).await;
        let mut missing = Vec::new();
        for service in &system.services {
            let told = service.metrics().await;
            lint(service, &told);
            let (documented, told_kinds) = (page.of(service.name), kinds(&told));
            page.check_labels(&told);
            for (name, kind) in &told_kinds {
                assert_eq!(
                    documented.get(name),
                    Some(kind),
                    "{} tells {name}, documented differently",
                    service.name
                );
            }
            missing.extend(documented.into_keys().filter(|name| !told_kinds.contains_key(name)));
        }
        if missing.is_empty() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "documented and never told: {missing:?}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// `promtool check metrics`: names, help texts and types as Prometheus wants them.
fn lint(service: &Service, told: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool cannot be run ({error}): run `make test-tools`"));
    promtool.stdin.take().expect("a pipe").write_all(told.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{}: {said}\n{told}", service.name);
}

fn kinds(told: &str) -> Kinds {
    let types = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
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
    told_by: String,
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
        let told = |row: &&Row| row.told_by.split(", ").any(|by| by == service || by == "all");
        self.rows.iter().filter(told).map(|row| (row.name.clone(), row.kind.clone())).collect()
    }

    /// Every label of a series is documented. `le` is that of every histogram.
    fn check_labels(&self, told: &str) {
        for line in told.lines().filter(|line| !line.starts_with('#')) {
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
        let told_by = cells.next()?.to_owned();
        Some(Self { name, kind, labels, told_by })
    }
}
