//! The demo, as a newcomer runs it: it proves that a good store works and detects every broken one.

use std::{fs, path::Path};

use inrush_testkit::{inrush, redis_server::RedisServer};
use serde_json::Value;

/// Small enough for every test run; the sale is the same at any size.
const SIZE: [&str; 4] = ["--buyers", "3000", "--stock", "300"];

async fn demo(more: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("results.json");
    let report = folder.path().join("report.html");
    let mut arguments = vec!["demo", "--json", path(&json), "--report", path(&report)];
    arguments.extend(SIZE);
    arguments.extend(more);
    let mut process = inrush::start(&arguments, &[]);
    let code = process.wait().await.code();
    let results = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{error}: {}", process.output()));
    let page = fs::read_to_string(&report).expect("the report was written");
    assert!(page.contains("<svg"), "the report has charts");
    for reference in ["src=\"http", "href=\"http", "url(http", "@import", "<script src", "<link"] {
        assert!(!page.contains(reference), "the report loads nothing: {reference}");
    }
    (code, serde_json::from_str(&results).expect("the results are JSON"), process.output())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

fn assert_passed(code: Option<i32>, results: &Value, output: &str) {
    assert_eq!(code, Some(0), "{output}");
    for fault in ["oversold", "lost", "duplicated", "out_of_order"] {
        assert_eq!(results[fault], 0, "{fault}: {output}");
    }
    assert_eq!(results["ordered"], 300, "{output}");
    for happened in ["buyers", "stock", "admitted", "refused", "cancelled", "released", "repeated"] {
        assert!(results[happened].as_u64().is_some_and(|count| count > 0), "{happened}: {output}");
    }
    for measured in ["enqueue_rps", "orders_rps", "wall_s"] {
        assert!(results[measured].as_f64().is_some_and(|value| value > 0.0), "{measured}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_passes_in_memory() {
    let (code, results, output) = demo(&[]).await;
    assert_passed(code, &results, &output);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_passes_on_redis() {
    let redis = RedisServer::start().await;
    let (code, results, output) = demo(&["--store", &redis.url()]).await;
    assert_passed(code, &results, &output);
    let left: Vec<String> = redis.command(&["KEYS", "*"]).await;
    assert!(left.is_empty(), "the demo deletes its keys: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_fails_with_every_planted_fault() {
    for (fault, found) in [("overshoot", "oversold"), ("drop", "lost"), ("swap", "out_of_order")] {
        let (code, results, output) = demo(&["--fault", fault]).await;
        assert_eq!(code, Some(1), "{fault}: {output}");
        assert!(
            results[found].as_u64().is_some_and(|count| count > 0),
            "{fault} is not seen as {found}: {output}"
        );
    }
}
