//! Connections: TLS, limits, age and keepalive.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_front::{FrontSettings, Http2Settings};
use inrush_proto::v1::queue_service_client::QueueServiceClient;
use inrush_runtime::tls::ServerTlsSettings;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::{
    harness::{Front, TEST_TIMEOUT, enqueue_head, enqueue_request, eventually, message, settings},
    probe::Probe,
};

#[tokio::test]
async fn with_tls_plaintext_calls_are_not_answered() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTlsSettings {
        cert_file: Some(cert_file),
        key_file: Some(key_file),
        ..ServerTlsSettings::default()
    };
    let front = Front::with(Probe::new(), FrontSettings { tls, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;

    let trust = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(made.cert.pem()))
        .domain_name("localhost");
    let channel = Channel::from_shared(format!("https://{}", front.address)).unwrap();
    let channel = channel.tls_config(trust).unwrap().connect().await.unwrap();
    QueueServiceClient::new(channel).enqueue(enqueue_request("phone-x", "ada", 1)).await.unwrap();
    front.queue().enqueue(enqueue_request("phone-x", "bob", 1)).await.unwrap_err();
    assert_eq!(front.store.batches("admit"), [1], "bob did not reach the store");
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn rapid_resets_close_the_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const END_HEADERS: u8 = 4;
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let http2 = Http2Settings { max_pending_resets: 10, ..Http2Settings::default() };
    let front = Front::with(Probe::new(), FrontSettings { http2, ..settings() }).await;
    // :method POST and :scheme http from the static table, :path / likewise.
    let head = [0x83, 0x86, 0x84];
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in (1..1000).step_by(2) {
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &head));
        bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    let mut connection = TcpStream::connect(front.address).await.unwrap();
    connection.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    // How the connection ends does not matter, only what came before.
    let ended = tokio::time::timeout(TEST_TIMEOUT, connection.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection stays open");
    let mut frames = Vec::new();
    let mut rest = answer.as_slice();
    while let [a, b, c, kind, tail @ ..] = rest {
        frames.push(*kind);
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        rest = tail.get(5 + length..).unwrap_or_default();
    }
    assert!(frames.contains(&GOAWAY), "{frames:?}");
    // Other connections are not affected.
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    front.queued("phone-x", "ada").await;
}

#[tokio::test]
async fn a_connection_past_its_maximum_age_gets_goaway_and_finishes_its_calls() {
    let http2 = Http2Settings { max_connection_age: Duration::from_secs(1), ..Http2Settings::default() };
    let front = Front::with(Probe::new(), FrontSettings { http2, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let (mut sender, connection) =
        h2::client::handshake(TcpStream::connect(front.address).await.unwrap()).await.unwrap();
    let connection = tokio::spawn(connection);
    let (answer, mut body) = sender.send_request(enqueue_head(front.address), false).unwrap();
    body.send_data(message(&enqueue_request("phone-x", "ada", 1)).into(), true).unwrap();
    eventually("no new call is taken", async || {
        let is_closed = sender.clone().ready().await.is_err();
        assert!(!connection.is_finished(), "cut off in the midst of a call");
        is_closed
    })
    .await;
    drop(held);
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.await.unwrap().expect("ends in peace");
    front.queued("phone-x", "bob").await;
}

#[tokio::test]
async fn a_connection_that_does_not_answer_keepalive_pings_is_closed() {
    let second = Duration::from_secs(1);
    let http2 =
        Http2Settings { keepalive_interval: second, keepalive_timeout: second, ..Http2Settings::default() };
    let front = Front::with(Probe::new(), FrontSettings { http2, ..settings() }).await;
    let mut connection = TcpStream::connect(front.address).await.unwrap();
    // It completes the handshake, and then answers no ping.
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    connection.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let mut received = Vec::new();
    let ended = tokio::time::timeout(TEST_TIMEOUT, connection.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "the connection stays open");
    // A connection that answers stays open: that of the test has been open for as long.
    front.poll("forged").await.unwrap_err();
}
