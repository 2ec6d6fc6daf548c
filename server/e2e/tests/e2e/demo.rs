//! The demo, as a newcomer runs it: it proves a good store and finds every broken one out.

use std::{fs, path::Path};

use inrush_testkit::{inrush, redis_server::RedisServer};
use serde_json::Value;

/// Small enough for every test run; the sale is the same at any size.
const SIZE: [&str; 4] = ["--buyers", "3000", "--stock", "300"];

async fn demo(more: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("figures.json");
    let report = folder.path().join("report.html");
    let mut arguments = vec!["demo", "--json", path(&json), "--report", path(&report)];
    arguments.extend(SIZE);
    arguments.extend(more);
    let mut process = inrush::start(&arguments, &[]);
    let code = process.wait().await.code();
    let figures = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{error}: {}", process.output()));
    let page = fs::read_to_string(&report).expect("the report was written");
    assert!(
        page.contains("<svg") && !page.contains("http:") && !page.contains("https:"),
        "the report needs nothing from elsewhere"
    );
    (code, serde_json::from_str(&figures).expect("the figures are JSON"), process.output())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

fn assert_kept(code: Option<i32>, figures: &Value, said: &str) {
    assert_eq!(code, Some(0), "{said}");
    for fault in ["oversold", "lost", "duplicated", "out_of_order"] {
        assert_eq!(figures[fault], 0, "{fault}: {said}");
    }
    assert_eq!(figures["ordered"], 300, "{said}");
    for happened in ["buyers", "stock", "admitted", "refused", "cancelled", "released", "repeated"] {
        assert!(figures[happened].as_u64().is_some_and(|count| count > 0), "{happened}: {said}");
    }
    for measured in ["enqueue_rps", "orders_rps", "wall_s"] {
        assert!(figures[measured].as_f64().is_some_and(|figure| figure > 0.0), "{measured}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promise_is_kept_in_memory() {
    let (code, figures, said) = demo(&[]).await;
    assert_kept(code, &figures, &said);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promise_is_kept_on_redis() {
    let redis = RedisServer::start().await;
    let (code, figures, said) = demo(&["--store", &redis.url()]).await;
    assert_kept(code, &figures, &said);
    let left: Vec<String> = redis.command(&["KEYS", "*"]).await;
    assert!(left.is_empty(), "the demo cleans up behind itself: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_store_is_found_out() {
    for (fault, found) in [("overshoot", "oversold"), ("drop", "lost"), ("swap", "out_of_order")] {
        let (code, figures, said) = demo(&["--fault", fault]).await;
        assert_eq!(code, Some(1), "{fault}: {said}");
        assert!(
            figures[found].as_u64().is_some_and(|count| count > 0),
            "{fault} is not seen as {found}: {said}"
        );
    }
}
