//! A real Prometheus scrapes a running system, and every query of the chart's dashboard finds something there.

use std::{fs, path::Path, process::Command, time::Duration};

use inrush_testkit::{http, port::free_port, process::TestProcess};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::monitored_system::{MonitoredSystem, TIMEOUT};

const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/inrush/files/dashboard.json");

/// What Grafana puts in the place of its variables; the interval is several times that of the scrapes.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "20s"), ("$namespace", ".*"), ("$sale", ".*")];

#[tokio::test(flavor = "multi_thread")]
async fn every_dashboard_query_returns_data() {
    let system = MonitoredSystem::start(&[]).await;
    let prometheus = Prometheus::scraping(&system).await;
    let mut unanswered = queries();
    assert!(unanswered.len() > 20, "{} queries", unanswered.len());
    let started = Instant::now();
    let mut sales = 0;
    while !unanswered.is_empty() {
        assert!(started.elapsed() < TIMEOUT, "no data for {unanswered:#?}");
        sales += 1;
        system.sell(&format!("sale-{sales}")).await;
        let mut still = Vec::new();
        for query in unanswered {
            if !prometheus.has_data(&query).await {
                still.push(query);
            }
        }
        unanswered = still;
        sleep(Duration::from_secs(1)).await;
    }
}

/// The dashboard's queries, its own variables' included, as Grafana would ask them.
fn queries() -> Vec<String> {
    let dashboard = fs::read_to_string(Path::new(DASHBOARD)).expect("the chart's dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("a dashboard is JSON");
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    for query in &mut queries {
        for (variable, value) in VARIABLES {
            *query = query.replace(variable, value);
        }
        assert!(!query.contains('$'), "a variable that this test does not know: {query}");
    }
    queries
}

/// Every `expr`, wherever it is.
fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(query) if name == "expr" => queries.push(query.clone()),
                    field => collect(field, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, queries)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Prometheus {
    port: u16,
    _process: TestProcess,
}

impl Prometheus {
    async fn scraping(system: &MonitoredSystem) -> Self {
        let port = free_port();
        let targets: Vec<String> = system
            .services
            .iter()
            .map(|service| {
                format!(
                    "  - job_name: {}\n    static_configs:\n      - targets: ['127.0.0.1:{}']\n        labels: {{ namespace: shop }}\n",
                    service.name, service.admin
                )
            })
            .collect();
        let configuration = format!("global:\n  scrape_interval: 1s\nscrape_configs:\n{}", targets.concat());
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        let arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", &listen];
        let mut command = Command::new("prometheus");
        command.args(arguments);
        let mut process = TestProcess::start("prometheus", command, &[("prometheus.yml", &configuration)]);
        process.wait_for_output("Server is ready").await;
        Self { port, _process: process }
    }

    /// Whether a query has an answer, and one that is a number.
    async fn has_data(&self, query: &str) -> bool {
        let path = format!("/api/v1/query?query={}", http::percent_encode(query));
        let (status, body) = http::get(self.port, &path).await.expect("Prometheus answers");
        assert_eq!(status, 200, "{query}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("Prometheus answers in JSON");
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        results.iter().any(|result| result["value"][1].as_str().is_some_and(|value| value != "NaN"))
    }
}
