//! Connections over TCP: refused, late, several, broken.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use inrush_client::{CallError, Client, ClientSettings, ConnectError, RetryPolicy, Ticket};

use crate::fake::{Answer, Fake, TcpServer, waiting};

fn answering() -> Arc<Fake> {
    Arc::new(Fake::default().poll(|_, _| Answer::Say(waiting(1, 1))))
}

/// An address on which nothing listens. (Another process could bind it in between, which no test here does.)
fn deserted() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_unreachable_endpoint_is_reported_with_the_reason() {
    let address = deserted();
    let error = Client::connect(ClientSettings::new(format!("http://{address}"))).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with(&format!("cannot reach Inrush: http://{address}: ")), "{message}");
    assert!(message.contains("onnection refused"), "{message}");
}

#[tokio::test]
async fn no_endpoint_is_an_error() {
    let nothing = Vec::<String>::new();
    let error = Client::connect(ClientSettings::balanced(nothing)).await.unwrap_err();
    assert!(error.to_string().contains("expected at least one"), "{error}");
}

#[tokio::test]
async fn a_lazy_client_can_start_before_the_server() {
    let address = deserted();
    let client = Client::lazy(ClientSettings::new(format!("http://{address}"))).unwrap();
    let once = ClientSettings::new(format!("http://{address}")).retry(RetryPolicy::never());
    let error = Client::lazy(once).unwrap().poll(&Ticket::from("t")).await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable(_)), "{error}");
    assert!(error.message().starts_with(&format!("cannot reach Inrush at http://{address}: ")), "{error}");

    let fake = answering();
    let server = TcpServer::start_at(&fake, address, None);
    client.poll(&Ticket::from("t")).await.unwrap();
    server.kill();
}

#[tokio::test]
async fn calls_are_spread_over_the_endpoints() {
    let (first, second) = (answering(), answering());
    let servers = [TcpServer::start(&first), TcpServer::start(&second)];
    let settings = ClientSettings::balanced(servers.each_ref().map(TcpServer::url));
    let client = Client::connect(settings).await.unwrap();
    for _ in 0..20 {
        client.poll(&Ticket::from("t")).await.unwrap();
    }
    assert_eq!((first.calls(), second.calls()), (10, 10));
    servers.into_iter().for_each(TcpServer::kill);
}

#[tokio::test]
async fn an_unavailable_endpoint_costs_few_retries_and_no_call() {
    let fake = answering();
    let server = TcpServer::start(&fake);
    let settings = ClientSettings::balanced([format!("http://{}", deserted()), server.url()]);
    // The reserve is far below what it would take to try the unavailable endpoint every other time.
    let policy = RetryPolicy { reserve_per_second: 1, calls_per_retry: 1_000, ..RetryPolicy::default() };
    let client = Client::connect(settings.retry(policy)).await.unwrap();
    for _ in 0..200 {
        client.poll(&Ticket::from("t")).await.unwrap();
    }
    assert_eq!(fake.calls(), 200);
    server.kill();
}

#[tokio::test]
async fn a_call_to_a_killed_server_is_retried_on_another() {
    let silent = Arc::new(Fake::default().poll(|_, _| Answer::Silence));
    let other = answering();
    let (dying, living) = (TcpServer::start(&silent), TcpServer::start(&other));
    let client = Client::connect(ClientSettings::balanced([dying.url(), living.url()])).await.unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.poll(&Ticket::from("t")).await }
    });
    while silent.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    dying.kill();
    call.await.unwrap().unwrap();
    assert_eq!((silent.calls(), other.calls()), (1, 1));
    living.kill();
}

#[tokio::test]
async fn a_client_reconnects_to_a_restarted_server() {
    let fake = answering();
    let server = TcpServer::start(&fake);
    let address = server.address();
    let client = Client::connect(ClientSettings::new(server.url())).await.unwrap();
    client.poll(&Ticket::from("t")).await.unwrap();
    server.kill();
    let server = TcpServer::start_at(&fake, address, None);
    for _ in 0..8 {
        client.poll(&Ticket::from("t")).await.unwrap();
    }
    server.kill();
}
