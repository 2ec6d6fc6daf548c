//! What is a gRPC call and what is not: the same for every service.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use inrush_core::{SaleSettings, store::prelude::*};
use inrush_proto::v1;
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::harness::{Front, id, message, reason};

const CLOSE_SALE: &str = "inrush.v1.SaleAdminService/CloseSale";

/// Unary calls, with a message for each.
fn calls() -> [(&'static str, Vec<u8>); 8] {
    let sale_id = "phone-x".to_owned();
    [
        ("inrush.v1.QueueService/Enqueue", message(&crate::harness::enqueue_request("phone-x", "ada", 1))),
        ("inrush.v1.QueueService/PollStatus", message(&v1::PollStatusRequest::default())),
        ("inrush.v1.QueueService/Cancel", message(&v1::CancelRequest::default())),
        ("inrush.v1.QueueService/BatchPollStatus", message(&v1::BatchPollStatusRequest::default())),
        ("inrush.v1.QueueService/WatchStatus", message(&v1::WatchStatusRequest::default())),
        ("inrush.v1.SettlementService/ReleaseOrder", message(&v1::ReleaseOrderRequest::default())),
        (CLOSE_SALE, message(&v1::CloseSaleRequest { sale_id })),
        ("grpc.health.v1.Health/Check", message(&tonic_health::pb::HealthCheckRequest::default())),
    ]
}

/// A client that sends any request, gRPC or not.
struct Client {
    front: std::net::SocketAddr,
    sender: SendRequest<Bytes>,
}

impl Client {
    async fn connect(front: &Front) -> Self {
        let stream = TcpStream::connect(front.address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { front: front.address, sender }
    }

    /// The head of the response, its body, and its status if there is one.
    async fn send(&mut self, method: &str, content_type: Option<&str>, call: &str, body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}/{call}", self.front));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.header("te", "trailers").body(()).unwrap();
        let (response, mut sending) = self.sender.send_request(request, false).unwrap();
        // Refused by its head, a request may be reset before its body is sent.
        let _sent = sending.send_data(Bytes::copy_from_slice(body), true);
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut received = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            let _released = body.flow_control().release_capacity(data.len());
            received.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.ok().flatten();
        Answer { head: Response::from_parts(head, ()), body: received, trailers }
    }
}

struct Answer {
    head: Response<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn status(&self) -> Status {
        let in_trailers = self.trailers.as_ref().and_then(Status::from_header_map);
        in_trailers.or_else(|| Status::from_header_map(self.head.headers())).expect("there is no status")
    }
}

#[tokio::test]
async fn only_post_with_the_content_type_of_grpc_reaches_a_service() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let mut client = Client::connect(&front).await;
    let before = front.store.all_runs();
    let content_types = ["text/plain", "application/json", "application/x-www-form-urlencoded"];
    let content_types =
        content_types.into_iter().chain(["application/grpc-web", "application/grpc-web+proto", ""]);
    for (call, body) in calls() {
        for content_type in content_types.clone().map(Some).chain([None]) {
            let answer = client.send("POST", content_type, call, &body).await;
            assert_eq!(answer.head.status(), 415, "{call} as {content_type:?}");
            assert_eq!(reason(&answer.status()), "UNSUPPORTED_CONTENT_TYPE");
            assert!(answer.body.is_empty());
        }
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            for content_type in ["application/grpc", "text/plain"] {
                let answer = client.send(method, Some(content_type), call, &body).await;
                assert_eq!(answer.head.status(), 405, "{method} {call}");
                assert_eq!(answer.head.headers()["allow"], "POST");
                assert_eq!(reason(&answer.status()), "METHOD_NOT_ALLOWED");
            }
        }
    }
    assert_eq!(front.store.all_runs(), before, "nothing reaches the store");
    let state = front.store.sale(&id("phone-x")).await.unwrap().state();
    assert_eq!(state, inrush_core::SaleState::Open, "the sale was closed");
}

#[tokio::test]
async fn any_message_format_and_parameter_of_the_content_type_passes() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let mut client = Client::connect(&front).await;
    let body = message(&v1::CloseSaleRequest { sale_id: "phone-x".to_owned() });
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let answer = client.send("POST", Some(content_type), CLOSE_SALE, &body).await;
        assert_eq!(answer.head.status(), 200, "{content_type}");
        assert_eq!(answer.status().code(), Code::Ok, "{content_type}");
    }
}

#[tokio::test]
async fn a_second_message_is_refused_by_every_call_of_one_message() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let mut client = Client::connect(&front).await;
    let before = front.store.all_runs();
    for (call, body) in calls() {
        for twice in [[body.clone(), body.clone()].concat(), [body.clone(), vec![0]].concat()] {
            let status = client.send("POST", Some("application/grpc"), call, &twice).await.status();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "MALFORMED_REQUEST"),
                "{call}: {status:?}"
            );
            assert!(status.message().contains("more than one message"), "{call}: {}", status.message());
        }
    }
    assert_eq!(front.store.all_runs(), before, "nothing reaches the store");
}

#[tokio::test]
async fn a_stream_of_messages_may_have_more_than_one() {
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request::MessageRequest};
    let front = Front::start().await;
    let mut client = Client::connect(&front).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    assert!(request.encoded_len() > 0);
    let twice = [message(&request), message(&request)].concat();
    let call = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let answer = client.send("POST", Some("application/grpc"), call, &twice).await;
    assert_eq!(answer.status().code(), Code::Ok);
    let half = answer.body.len() / 2;
    assert_eq!(answer.body[..half], answer.body[half..], "one answer each");
}
