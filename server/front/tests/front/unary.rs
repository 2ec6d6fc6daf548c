//! Calls of one message each way, as bytes on the wire.

use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
use inrush_core::SaleSettings;
use tokio::{net::TcpStream, task::JoinHandle};
use tonic::{Code, Status};

use crate::harness::{Front, enqueue_head, enqueue_request, message, reason};

/// An Enqueue of which only the head was sent.
struct Begun {
    answer: ResponseFuture,
    body: SendStream<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Begun {
    async fn new(front: &Front, encoding: Option<&'static str>) -> Self {
        let stream = TcpStream::connect(front.address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut head = enqueue_head(front.address);
        if let Some(encoding) = encoding {
            head.headers_mut().insert("grpc-encoding", encoding.parse().unwrap());
        }
        let (answer, body) = sender.send_request(head, false).unwrap();
        Self { answer, body, connection }
    }

    fn send(&mut self, bytes: &[u8], ends: bool) {
        self.body.send_data(Bytes::copy_from_slice(bytes), ends).unwrap();
    }

    /// The status, and the bytes that came before it.
    async fn status(self) -> (Status, Vec<u8>) {
        let answer = self.answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        let (parts, mut body) = answer.into_parts();
        if let Some(status) = Status::from_header_map(&parts.headers) {
            return (status, Vec::new());
        }
        let mut received = Vec::new();
        while let Some(data) = body.data().await {
            received.extend_from_slice(&data.unwrap());
        }
        let trailers = body.trailers().await.unwrap().expect("no status");
        self.connection.abort();
        (Status::from_header_map(&trailers).unwrap(), received)
    }
}

#[tokio::test]
async fn a_message_may_arrive_in_many_data_frames() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let bytes = message(&enqueue_request("phone-x", "ada", 1));
    for size in [1, 3, 5, 7, bytes.len()] {
        let mut call = Begun::new(&front, None).await;
        for piece in bytes.chunks(size) {
            call.send(piece, false);
        }
        call.send(&[], true);
        let (status, answer) = call.status().await;
        assert_eq!(status.code(), Code::Ok, "in pieces of {size}: {status:?}");
        let (prefix, answer) = answer.split_first_chunk::<5>().unwrap();
        assert_eq!(prefix[0], 0, "not compressed");
        assert_eq!(u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize, answer.len());
    }
    assert_eq!(front.read(&front.queued("phone-x", "bob").await.ticket).seq, 2, "ada is queued once");
}

#[tokio::test]
async fn anything_but_one_complete_message_is_a_malformed_request() {
    let front = Front::start().await;
    let whole = message(&enqueue_request("phone-x", "ada", 1));
    let mut compressed = whole.clone();
    compressed[0] = 1;
    let cases = [
        ("nothing", Vec::new()),
        ("half a prefix", vec![0, 0]),
        ("less than its prefix", whole[..whole.len() - 1].to_vec()),
        ("two", [whole.clone(), whole.clone()].concat()),
        ("compressed without an encoding", compressed),
    ];
    for (what, bytes) in cases {
        let mut call = Begun::new(&front, None).await;
        call.send(&bytes, true);
        let (status, _) = call.status().await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "MALFORMED_REQUEST"),
            "{what}: {status:?}"
        );
    }
    assert_eq!(front.store.all_runs(), 0);
}

#[tokio::test]
async fn a_message_above_the_size_limit_is_refused_by_its_prefix() {
    let front = Front::start().await;
    let mut call = Begun::new(&front, None).await;
    call.send(&[0, 0, 4, 0, 1, 0], false);
    let (status, _) = call.status().await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "MESSAGE_TOO_LARGE"));
}

#[tokio::test]
async fn an_unsupported_compression_is_unimplemented() {
    let front = Front::start().await;
    let mut call = Begun::new(&front, Some("gzip")).await;
    call.send(&message(&enqueue_request("phone-x", "ada", 1)), true);
    let (status, _) = call.status().await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "UNSUPPORTED_COMPRESSION"));
    assert!(status.message().contains("gzip"), "{}", status.message());
    assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "identity");
}

#[tokio::test]
async fn a_call_whose_message_never_arrives_ends_at_its_deadline() {
    let settings = inrush_front::FrontSettings {
        default_deadline: std::time::Duration::from_millis(20),
        ..crate::harness::settings()
    };
    let front = Front::with(crate::probe::Probe::new(), settings).await;
    let mut call = Begun::new(&front, None).await;
    call.send(&[0, 0], false);
    let (status, _) = call.status().await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}
