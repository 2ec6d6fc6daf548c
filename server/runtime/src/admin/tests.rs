use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(admin: Admin) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(admin.run(listener, stop.clone()));
        Self { address, stop, task }
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

    fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(Channel::from_shared(format!("http://{}", self.address)).unwrap().connect_lazy())
    }
}

/// A server with nothing but the probes.
fn plain() -> Admin {
    Admin::new(Readiness::new(), &[])
}

#[tokio::test]
async fn tells_that_it_lives_and_what_it_lacks() {
    let readiness = Readiness::new();
    let store = readiness.require("store", "connection refused");
    let running = Running::start(Admin::new(readiness.clone(), &[])).await;
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200"));

    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.ends_with(r#"{"ready":false,"draining":false,"missing":{"store":"connection refused"}}"#),
        "{answer}"
    );

    store.ready();
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    readiness.start_draining();
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200"), "a draining process still lives");
}

#[tokio::test]
async fn serves_the_routes_of_services() {
    let admin = plain().with(Router::new().route("/sales", get(async || "phone\n")));
    let running = Running::start(admin).await;
    assert!(running.get("/sales").await.ends_with("phone\n"));
    assert!(running.get("/elsewhere").await.starts_with("HTTP/1.1 404"));
    assert!(running.get("/metrics").await.starts_with("HTTP/1.1 404"), "nobody gave it metrics");
}

#[tokio::test]
async fn shows_metrics_and_the_configuration() {
    let (metrics, readiness) = (Metrics::default(), Readiness::new());
    metrics.describe_process("1.2.3", &readiness);
    let admin = plain().with_metrics(metrics).with_configuration("listen = \"here\"\n".to_owned());
    let running = Running::start(admin).await;
    let answer = running.get("/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("inrush_build_info{version=\"1.2.3\"} 1"), "{answer}");
    assert!(running.get("/config").await.ends_with("listen = \"here\"\n"));
}

/// A server whose log level can be changed with this token, and the logs of which that is the level.
async fn with_log_level(token: Option<&str>) -> (Running, LogLevel, impl Sized) {
    let (level, logs) = LogLevel::of_nothing("info");
    let admin = plain().with_log_level(level.clone(), token.map(Secret::new));
    (Running::start(admin).await, level, logs)
}

#[tokio::test]
async fn the_log_level_is_shown_to_all_and_changed_with_the_token() {
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
async fn whoever_may_not_change_the_log_level_is_told_why() {
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
async fn a_level_that_cannot_be_taken_changes_nothing() {
    let (running, level, _logs) = with_log_level(Some("open sesame")).await;
    let long = "x".repeat(5000);
    for (body, status, says) in [
        ("a=b=c", "400", "write error, warn, info, debug or trace"),
        (" \n", "400", "send the level as the body"),
        (long.as_str(), "413", "at most 4096 bytes"),
    ] {
        let answer = running.ask("PUT", "/log-level", "authorization: Bearer open sesame\r\n", body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(says), "{answer}");
    }
    assert_eq!(level.current(), "info");
    assert!(running.ask("POST", "/log-level", "", "debug").await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn health_is_told_by_grpc_on_the_same_port() {
    let readiness = Readiness::new();
    let store = readiness.require("store", "not asked yet");
    let running = Running::start(Admin::new(readiness.clone(), &["inrush.v1.QueueService"])).await;
    let check = async |name: &str| {
        let request = HealthCheckRequest { service: name.to_owned() };
        running.health().check(request).await.map(|answer| answer.into_inner().status())
    };
    for name in ["", "inrush.v1.QueueService"] {
        assert_eq!(check(name).await.unwrap(), ServingStatus::NotServing);
    }
    assert_eq!(check("liveness").await.unwrap(), ServingStatus::Serving);
    assert_eq!(check("nobody").await.unwrap_err().code(), Code::NotFound);
    store.ready();
    assert_eq!(check("").await.unwrap(), ServingStatus::Serving);
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200"), "and HTTP/1 goes on");
}

#[tokio::test]
async fn a_watch_tells_every_change_until_the_process_leaves() {
    let readiness = Readiness::new();
    let running = Running::start(Admin::new(readiness.clone(), &[])).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = running.health().watch(request).await.unwrap().into_inner();
    let mut told = async || watch.message().await.unwrap().map(|answer| answer.status());
    assert_eq!(told().await, Some(ServingStatus::Serving));
    let store = readiness.require("store", "gone");
    assert_eq!(told().await, Some(ServingStatus::NotServing));
    store.missing("gone for good");
    store.ready();
    assert_eq!(told().await, Some(ServingStatus::Serving));
    readiness.start_draining();
    assert_eq!(told().await, Some(ServingStatus::NotServing));
    assert_eq!(told().await, None);
}

#[tokio::test]
async fn stops_without_waiting_for_idle_connections() {
    let running = Running::start(plain()).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    running.stop.cancel();
    running.task.await.unwrap();
    for connection in [&mut idle, &mut silent] {
        assert_eq!(connection.read(&mut [0; 1024]).await.unwrap(), 0, "the connection is closed");
    }
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let running = Running::start(plain()).await;
    let mut open = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        open.push(stream);
    }
    let waiting = running.get("/livez");
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    open.pop();
    assert!(waiting.await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let running = Running::start(plain()).await;
    let answer = running.get(&format!("/{}", "x".repeat(connection::LONGEST_HEAD as usize))).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
