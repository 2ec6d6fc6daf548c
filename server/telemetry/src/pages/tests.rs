use std::net::SocketAddr;

use inrush_runtime::admin::Admin;
use inrush_runtime::readiness::Readiness;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;

/// An admin server with these pages.
struct Running {
    address: SocketAddr,
}

impl Running {
    async fn start(pages: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin = Admin::new(Readiness::new(), &[]).with(pages);
        // It ends with the runtime of the test.
        tokio::spawn(admin.run(listener, CancellationToken::new()));
        Self { address }
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask("GET", path, "", "").await
    }
}

#[tokio::test]
async fn metrics_are_served_in_prometheus_format() {
    let metrics = Metrics::default();
    metrics.register_process_metrics("1.2.3", &Readiness::new());
    let running = Running::start(metrics::page(metrics)).await;
    let answer = running.get("/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("inrush_build_info{version=\"1.2.3\"} 1"), "{answer}");
}

/// A server whose log level can be changed with this token, the level, and a guard that keeps it alive.
async fn with_log_level(token: Option<&str>) -> (Running, LogLevel, impl Sized) {
    let (level, logs) = LogLevel::detached("info");
    let page = log_level::page(level.clone(), token.map(Secret::new));
    (Running::start(page).await, level, logs)
}

#[tokio::test]
async fn the_log_level_is_public_and_changed_with_the_token() {
    let (running, level, _logs) = with_log_level(Some("open sesame")).await;
    assert!(running.get("/log-level").await.ends_with("\r\n\r\ninfo\n"));
    for scheme in ["Bearer", "bearer"] {
        let token = format!("authorization: {scheme} open sesame\r\n");
        let answer = running.ask("PUT", "/log-level", &token, "warn,inrush_front=debug\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("inrush_front=debug,warn\n"), "{answer}");
    }
    assert_eq!(level.current(), "inrush_front=debug,warn");
}

#[tokio::test]
async fn a_change_without_the_token_is_rejected_with_the_remedy() {
    let (running, level, _logs) = with_log_level(Some("open sesame")).await;
    for headers in
        ["", "authorization: Bearer open\r\n", "authorization: Basic open sesame\r\n", "authorization: \r\n"]
    {
        let answer = running.ask("PUT", "/log-level", headers, "debug").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{headers}: {answer}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        assert!(answer.contains("`Authorization: Bearer TOKEN`") && !answer.contains("sesame"), "{answer}");
    }
    let (closed, _level, _logs) = with_log_level(None).await;
    let answer = closed.ask("PUT", "/log-level", "authorization: Bearer \r\n", "debug").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("INRUSH_ADMIN_TOKEN") && answer.contains("admin.token_file"), "{answer}");
    assert_eq!(level.current(), "info");
}

#[tokio::test]
async fn an_invalid_level_changes_nothing() {
    let (running, level, _logs) = with_log_level(Some("open sesame")).await;
    let long = "x".repeat(5000);
    for (body, status, text) in [
        ("a=b=c", "400", "write error, warn, info, debug or trace"),
        (" \n", "400", "send the level as the body"),
        (long.as_str(), "413", "at most 4096 bytes"),
    ] {
        let answer = running.ask("PUT", "/log-level", "authorization: Bearer open sesame\r\n", body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(text), "{answer}");
    }
    assert_eq!(level.current(), "info");
    assert!(running.ask("POST", "/log-level", "", "debug").await.starts_with("HTTP/1.1 405"));
}
