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

/// A server with the probes only.
fn plain() -> Admin {
    Admin::new(Readiness::new(), &[])
}

#[tokio::test]
async fn livez_and_readyz_report_liveness_and_readiness() {
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
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200"), "a draining process is alive");
}

#[tokio::test]
async fn additional_routes_are_served() {
    let admin = plain().with(Router::new().route("/sales", get(async || "phone\n")));
    let running = Running::start(admin).await;
    assert!(running.get("/sales").await.ends_with("phone\n"));
    assert!(running.get("/elsewhere").await.starts_with("HTTP/1.1 404"));
    assert!(running.get("/metrics").await.starts_with("HTTP/1.1 404"), "no route for metrics was added");
}

#[tokio::test]
async fn shows_the_configuration() {
    let admin = plain().with_configuration("listen = \"here\"\n".to_owned());
    let running = Running::start(admin).await;
    assert!(running.get("/config").await.ends_with("listen = \"here\"\n"));
}

#[tokio::test]
async fn health_checks_by_grpc_are_served_on_the_same_port() {
    let readiness = Readiness::new();
    let store = readiness.require("store", "not checked yet");
    let running = Running::start(Admin::new(readiness.clone(), &["inrush.v1.QueueService"])).await;
    let check = async |name: &str| {
        let request = HealthCheckRequest { service: name.to_owned() };
        running.health().check(request).await.map(|answer| answer.into_inner().status())
    };
    for name in ["", "inrush.v1.QueueService"] {
        assert_eq!(check(name).await.unwrap(), ServingStatus::NotServing);
    }
    assert_eq!(check("liveness").await.unwrap(), ServingStatus::Serving);
    assert_eq!(check("unknown").await.unwrap_err().code(), Code::NotFound);
    store.ready();
    assert_eq!(check("").await.unwrap(), ServingStatus::Serving);
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200"), "and HTTP/1 goes on");
}

#[tokio::test]
async fn a_health_check_must_be_a_post_of_grpc() {
    let running = Running::start(plain()).await;
    let path = "/grpc.health.v1.Health/Check";
    for (method, content_type, status) in [
        ("GET", "application/grpc", "405"),
        ("PUT", "application/grpc", "405"),
        ("POST", "text/plain", "415"),
        ("POST", "application/json", "415"),
        ("POST", "application/grpc", "200"),
    ] {
        let headers = format!("content-type: {content_type}\r\n");
        let answer = running.ask(method, path, &headers, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {content_type}: {answer}");
    }
    let answer = running.ask("POST", path, "", "").await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
}

#[tokio::test]
async fn a_health_watch_sends_every_change_until_the_process_drains() {
    let readiness = Readiness::new();
    let running = Running::start(Admin::new(readiness.clone(), &[])).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = running.health().watch(request).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().map(|answer| answer.status());
    assert_eq!(next().await, Some(ServingStatus::Serving));
    let store = readiness.require("store", "gone");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    store.missing("gone for good");
    store.ready();
    assert_eq!(next().await, Some(ServingStatus::Serving));
    readiness.start_draining();
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    assert_eq!(next().await, None);
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
async fn connections_beyond_the_limit_wait_for_a_permit() {
    let running = Running::start(plain()).await;
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
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
async fn a_request_head_that_is_too_large_is_refused() {
    let running = Running::start(plain()).await;
    let answer = running.get(&format!("/{}", "x".repeat(connection::MAX_HEADER_SIZE as usize))).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
