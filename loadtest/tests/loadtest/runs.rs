//! Runs of the engine without a command line.

use std::{sync::atomic::AtomicBool, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use inrush_loadtest::{
    engine::{self, AtDuration, Load, Observer, Plan, Progress, Recording, Share, Stop, Streaming},
    message::{Data, Given, RequestPlan, RequestSource, Templates},
    schedule::{ConcurrencySchedule, RateSchedule},
};
use inrush_proto::v1::ReleaseOrderRequest;
use inrush_report::measure::Results;
use inrush_transport::{Body, CallKind, Endpoint, Error, Request};
use prost::Message as _;

use crate::server::PATH;

/// A run of `calls` calls.
pub(crate) fn plan(endpoint: Endpoint, load: Load, calls: u64) -> Plan {
    Plan {
        endpoint,
        path: PATH.to_owned(),
        kind: CallKind::Unary,
        load,
        stop: Stop { calls: Some(calls), duration: None, at_duration: AtDuration::Close },
        timeout: Some(Duration::from_secs(60)),
        streaming: Streaming::default(),
        compressed: false,
        connections: None,
        threads: Some(2),
        recording: Recording { warm_up: Duration::ZERO, skip_first: 0, details: 100_000 },
    }
}

/// A closed loop.
pub(crate) fn closed(workers: u32) -> Load {
    Load::Closed { workers: ConcurrencySchedule::Constant { workers }, pace: None }
}

/// An open loop with a constant rate.
pub(crate) fn open(rate: f64) -> Load {
    Load::Open { rate: RateSchedule::Constant { rate }, max_in_flight: 10_000 }
}

/// The requests of [`run`], as a plan that can be sent to other machines.
pub(crate) fn numbered() -> RequestPlan {
    let data =
        Given { source: "--data".to_owned(), content: r#"{"ticketId":"{{.RequestNumber}}"}"#.to_owned() };
    RequestPlan {
        descriptors: inrush_proto::FILE_DESCRIPTOR_SET.to_vec(),
        service: "inrush.v1.SettlementService".to_owned(),
        method: "ReleaseOrder".to_owned(),
        data: Data::Json(data),
        metadata: None,
        templates: Templates::Evaluated,
        stream_count: None,
        dynamic_messages: false,
        compressed: false,
        max_size: 1024,
        name: None,
        connections: 1,
    }
}

pub(crate) fn run(plan: &Plan) -> Result<Results, Error> {
    run_share(plan, Share::WHOLE)
}

pub(crate) fn run_share(plan: &Plan, share: Share) -> Result<Results, Error> {
    let sources = || Ok(Box::new(Numbers) as Box<dyn RequestSource>);
    engine::run(plan, share, &sources, &mut NoObserver, &AtomicBool::new(false))
}

/// Sends the number of the call.
struct Numbers;

impl RequestSource for Numbers {
    fn request(&mut self, number: u64, _worker: u32) -> Result<Request, Error> {
        let message = ReleaseOrderRequest { ticket_id: number.to_string() };
        Ok(Request { metadata: HeaderMap::new(), body: Body::One(framed(&message)) })
    }
}

fn framed(message: &ReleaseOrderRequest) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).expect("short"));
    message.encode(&mut frame).expect("room grows");
    frame.freeze()
}

pub(crate) struct NoObserver;

impl Observer for NoObserver {
    fn on_progress(&mut self, _: &Progress<'_>) {}
}
