//! The page of a run in a real browser.

use std::fs;

use inrush_report::Format;

use crate::{browser::Browser, rush::Rush};

#[test]
fn the_page_opens_without_errors_and_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, page()).unwrap();
    let visit = Browser::find().visit(&file);
    assert_eq!(visit.console, Vec::<String>::new());
    assert_eq!(visit.requests, Vec::<String>::new());
    // The script of the page ran, and the injected one did not.
    assert!(visit.dom.contains("<html lang=\"en\" class=\"live\">"), "{}", visit.dom);
    assert!(visit.dom.contains("class=\"read-out\""));
    assert!(visit.dom.contains("<title>A &lt;rush&gt; &amp; a freeze</title>"));
    assert_eq!(visit.dom.matches("<svg").count(), 7);
    for title in [
        "Latency over time",
        "Throughput over time",
        "Where calls lie",
        "In flight over time",
        "Percentiles",
        "Histogram",
        "Failures over time",
    ] {
        assert!(visit.dom.contains(&format!("<title>{title}</title>")), "{title}");
    }
    assert!(visit.dom.contains("&lt;img src=\"http://127.0.0.1:9/x\"&gt;"));
}

/// The test above must be able to fail.
#[test]
fn the_browser_reports_requests_and_errors_of_a_page() {
    let page = page();
    let planted_image = page
        .replace("img-src data:", "img-src http:")
        .replace("<main>", "<main><img src=\"http://127.0.0.1:9/x\">");
    let planted_script = page.replace("<main>", "<main><script>alert(1)</script>");
    let planted_error = page.replace("'use strict';", "'use strict'; console.error('planted');");
    let folder = tempfile::tempdir().unwrap();
    let visit = |page: &str| {
        let file = folder.path().join("report.html");
        fs::write(&file, page).unwrap();
        Browser::find().visit(&file)
    };
    let image = visit(&planted_image);
    assert!(image.requests.contains(&"http://127.0.0.1:9/x".to_owned()), "{:?}", image.requests);
    let script = visit(&planted_script);
    assert!(
        script.console.iter().any(|line| line.contains("Content Security Policy")),
        "{:?}",
        script.console
    );
    // A changed script no longer matches its hash.
    let error = visit(&planted_error);
    assert!(error.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", error.console);
    assert!(!error.dom.contains("class=\"live\""));
}

fn page() -> String {
    let mut page = Vec::new();
    inrush_report::write(&Rush { trouble: true, ..Rush::default() }.report(), Format::Html, &mut page)
        .unwrap();
    String::from_utf8(page).unwrap()
}
