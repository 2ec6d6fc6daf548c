//! The page of a run, opened in a real browser.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, SystemTime},
};

use inrush_loadtest::{
    measure::{Call, Code, Recorder, RecorderSettings, Results},
    report::{self, Format, Report},
};
use serde_json::json;

use crate::browser::Browser;

/// A text that would take over a page which does not escape it.
const HOSTILE: &str =
    "</script><script>document.title='taken over'</script><img src=\"http://127.0.0.1:9/x\"> & 'quotes'";

#[test]
fn the_page_opens_without_complaints_and_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, page()).unwrap();
    let visit = Browser::find().visit(&file);
    assert_eq!(visit.console, Vec::<String>::new());
    assert_eq!(visit.requests, Vec::<String>::new());
    // The script ran, and nobody else's did.
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

/// The test above is worth something only if it fails where there is something to see.
#[test]
fn the_browser_tells_of_what_a_page_loads_and_complains_about() {
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
    // A script that was changed does not match its hash any more.
    let error = visit(&planted_error);
    assert!(error.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", error.console);
    assert!(!error.dom.contains("class=\"live\""));
}

fn page() -> String {
    let mut page = Vec::new();
    report::write(&rush(), Format::Html, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// A minute at 500 calls a second. The server freezes for a second after 20 seconds, and fails a third of the calls
/// from the 40th second on for five seconds.
fn rush() -> Report {
    Report {
        name: Some("A <rush> & a freeze".to_owned()),
        host: "127.0.0.1:50051".to_owned(),
        call: "inrush.v1.QueueService.Enqueue".to_owned(),
        options: json!({"rps": 500, "insecure": true, "data": {"buyer": HOSTILE}})
            .as_object()
            .cloned()
            .unwrap(),
        tags: BTreeMap::from([
            ("env".to_owned(), "staging".to_owned()),
            ("build".to_owned(), HOSTILE.to_owned()),
        ]),
        count_errors: false,
        results: results(),
    }
}

fn results() -> Results {
    let mut recorder = Recorder::new(RecorderSettings {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000),
        open_loop: true,
        warm_up: Duration::from_secs(3),
        skip_first: 0,
        interval: Duration::from_millis(250),
        details: 1_000,
    });
    let mut parts = Vec::new();
    let mut random = Random(1);
    for number in 0..30_000 {
        let planned = Duration::from_millis(2 * number);
        parts.extend(recorder.turn(planned));
        let service = Duration::from_secs_f64(
            0.0012 * (0.6 * random.normal()).exp() + 0.02 * random.uniform().powi(60),
        );
        let frozen = Duration::from_secs(20)..Duration::from_secs(21);
        let begun = if frozen.contains(&planned) { frozen.end } else { planned };
        let troubled = (20_000..22_500).contains(&number) && random.uniform() < 0.33;
        let code = match number % 3 {
            _ if !troubled => Code::Ok,
            0 => Code::ResourceExhausted,
            _ => Code::Unavailable,
        };
        recorder.sent(planned);
        recorder.ended(&Call {
            number,
            planned,
            sent: planned,
            ended: begun + service,
            code,
            error: if code == Code::Ok { "" } else { HOSTILE },
            bytes_sent: 40,
            bytes_received: 60,
        });
    }
    let (mut results, last) = recorder.finish(Duration::from_secs(60));
    parts.iter().chain([&last]).for_each(|part| results.timeline.add(part));
    results.processor_time = Duration::from_millis(300);
    results
}

/// Random numbers, always the same.
struct Random(u64);

impl Random {
    /// From 0 to 1 (xorshift, Marsaglia 2003).
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, with a mean of 0 and a standard deviation of 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
