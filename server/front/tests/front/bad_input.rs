//! Invalid requests: the error names what is wrong, and the store is not called.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use inrush_core::SaleSettings;
use inrush_proto::v1;
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::harness::{Front, enqueue_request, reason, violations};

#[tokio::test]
async fn enqueue_names_each_invalid_field_with_its_rule() {
    let front = Front::start().await;
    let good = || enqueue_request("phone-x", "ada", 1);
    let sale = |sale_id: &str| v1::EnqueueRequest { sale_id: sale_id.to_owned(), ..good() };
    let buyer = |buyer_id: &str| v1::EnqueueRequest { buyer_id: buyer_id.to_owned(), ..good() };
    let units = |units| v1::EnqueueRequest { units, ..good() };
    let payload = |length| v1::EnqueueRequest { payload: Bytes::from(vec![0; length]), ..good() };
    let (slug, text) = ("must be 1 to 63 characters of a-z", "must be 1 to 128 bytes of UTF-8");
    let cases = [
        (sale(""), "sale_id", slug),
        (sale("Phone"), "sale_id", slug),
        (sale("-phone"), "sale_id", slug),
        (sale("phone{x}"), "sale_id", slug),
        (sale("phone\n"), "sale_id", slug),
        (sale(&"a".repeat(64)), "sale_id", slug),
        (sale(&"a".repeat(100_000)), "sale_id", slug),
        (buyer(""), "buyer_id", text),
        (buyer("a\u{0}b"), "buyer_id", text),
        (buyer("a\r\nb"), "buyer_id", text),
        (buyer(&"a".repeat(129)), "buyer_id", text),
        (buyer(&"é".repeat(65)), "buyer_id", text),
        (units(0), "units", "must be 1 to 1,000,000"),
        (units(1_000_001), "units", "must be 1 to 1,000,000"),
        (units(u64::MAX), "units", "must be 1 to 1,000,000"),
        (payload(4097), "payload", "must be at most 4096 bytes"),
    ];
    for (request, field, rule) in cases {
        let status = front.queue().enqueue(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
        let violations = violations(&status);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].0, field);
        assert!(violations[0].1.starts_with(rule), "{violations:?}");
        assert!(status.message().contains(field) && status.message().contains(rule), "{}", status.message());
    }
    assert_eq!(front.store.all_runs(), 0);
}

#[tokio::test]
async fn enqueue_reports_all_invalid_fields_together() {
    let front = Front::start().await;
    let status = front.queue().enqueue(v1::EnqueueRequest::default()).await.unwrap_err();
    let fields: Vec<String> = violations(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["sale_id", "buyer_id", "units"]);
}

#[tokio::test]
async fn enqueue_into_an_unknown_sale_is_not_found() {
    let front = Front::start().await;
    let status = front.queue().enqueue(enqueue_request("nothing", "ada", 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SALE_NOT_FOUND"));
    assert_eq!(status.message(), "there is no sale nothing");
}

#[tokio::test]
async fn bytes_that_do_not_decode_are_a_malformed_request() {
    let front = Front::start().await;
    let cut_short: &[u8] = &[0x0a, 0x50, b'a'];
    let no_field: &[u8] = &[0xff; 12];
    let not_utf8: &[u8] = &[0x0a, 0x02, 0xff, 0xfe];
    let wrong_wire_type: &[u8] = &[0x08, 0x01];
    let endless_varint: &[u8] = &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for call in ["QueueService/Enqueue", "QueueService/WatchStatus", "SaleAdminService/UpdateSale"] {
        for bytes in [cut_short, no_field, not_utf8, wrong_wire_type, endless_varint] {
            if call == "QueueService/WatchStatus" && bytes == endless_varint {
                // Its only field has another number: these bytes are an unknown field or an error.
                continue;
            }
            let status = send_raw(&front, call, bytes).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "MALFORMED_REQUEST"),
                "{call} {bytes:?}: {status:?}"
            );
            assert!(status.message().contains(".proto"), "{}", status.message());
        }
    }
    assert_eq!(front.store.all_runs(), 0);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let front = Front::start().await;
    front.create("a", SaleSettings::of_stock(1)).await;
    // sale_id "a", buyer_id "b", units 1, and field 99 = 1.
    let bytes = [0x0a, 0x01, b'a', 0x12, 0x01, b'b', 0x18, 0x01, 0x98, 0x06, 0x01];
    send_raw(&front, "QueueService/Enqueue", &bytes).await.unwrap();
}

#[tokio::test]
async fn a_message_above_the_size_limit_is_refused() {
    let front = Front::start().await;
    let status = send_raw(&front, "QueueService/Enqueue", &vec![0; 256 * 1024 + 1]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "MESSAGE_TOO_LARGE"));
    assert!(status.message().contains("262144"), "the limit: {}", status.message());
}

#[tokio::test]
async fn unknown_methods_and_services_are_unimplemented_and_point_to_reflection() {
    let front = Front::start().await;
    for call in ["QueueService/Enqueu", "CueService/Enqueue"] {
        let status = send_raw(&front, call, &[]).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "UNKNOWN_CALL"));
        assert!(status.message().contains("reflection"));
    }
}

#[tokio::test]
async fn release_order_with_an_invalid_ticket_id_names_the_expected_form() {
    let front = Front::start().await;
    for ticket_id in ["", "x", "phone-x/1", "phone-x/1/0", "phone-x/1/99999999999", "PHONE/1/1"] {
        let request = v1::ReleaseOrderRequest { ticket_id: ticket_id.to_owned() };
        let status = front.settlement().release_order(request).await.unwrap_err();
        let violations = violations(&status);
        assert_eq!(violations[0].0, "ticket_id");
        assert!(violations[0].1.contains("sale/epoch/seq"), "{violations:?}");
    }
    assert_eq!(front.store.all_runs(), 0);
}

/// Sends bytes as they are as the message of a call of package `inrush.v1`.
async fn send_raw(front: &Front, call: &str, bytes: &[u8]) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(front.channel.clone());
    client.ready().await.unwrap();
    let path: PathAndQuery = format!("/inrush.v1.{call}").parse().unwrap();
    let answer = client.unary(Request::new(Bytes::copy_from_slice(bytes)), path, Raw).await?;
    Ok(answer.into_inner())
}

struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
