//! Encodes a span in OTLP's protobuf without building the message first: building it allocates for every attribute, and
//! takes several times as long as making the span did.
//!
//! The numbers are the field numbers in `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`.

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, Status, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use prost::encoding::{
    WireType, bool, double, encode_key, encode_varint, encoded_len_varint, fixed32, fixed64, int32, int64,
    key_len, uint32,
};

use crate::histogram::otlp::nanoseconds;

/// Appends a span as field `tag` of the enclosing message.
pub(super) fn encode(tag: u32, span: &SpanData, out: &mut Vec<u8>) {
    message(tag, out, |out| {
        let context = &span.span_context;
        bytes(1, &context.trace_id().to_bytes(), out);
        bytes(2, &context.span_id().to_bytes(), out);
        trace_state(3, context, out);
        if span.parent_span_id != SpanId::INVALID {
            bytes(4, &span.parent_span_id.to_bytes(), out);
        }
        bytes(5, span.name.as_bytes(), out);
        int32::encode(6, &SpanKind::from(span.span_kind.clone()).into(), out);
        fixed64::encode(7, &nanoseconds(span.start_time), out);
        fixed64::encode(8, &nanoseconds(span.end_time), out);
        attributes(9, &span.attributes, out);
        uint32::encode(10, &span.dropped_attributes_count, out);
        span.events.iter().for_each(|each| event(11, each, out));
        uint32::encode(12, &span.events.dropped_count, out);
        span.links.iter().for_each(|each| link(13, each, out));
        uint32::encode(14, &span.links.dropped_count, out);
        status(15, &span.status, out);
        fixed32::encode(16, &flags(context, span.parent_span_is_remote), out);
    });
}

fn event(tag: u32, event: &Event, out: &mut Vec<u8>) {
    message(tag, out, |out| {
        fixed64::encode(1, &nanoseconds(event.timestamp), out);
        bytes(2, event.name.as_bytes(), out);
        attributes(3, &event.attributes, out);
        uint32::encode(4, &event.dropped_attributes_count, out);
    });
}

fn link(tag: u32, link: &Link, out: &mut Vec<u8>) {
    message(tag, out, |out| {
        let context = &link.span_context;
        bytes(1, &context.trace_id().to_bytes(), out);
        bytes(2, &context.span_id().to_bytes(), out);
        trace_state(3, context, out);
        attributes(4, &link.attributes, out);
        uint32::encode(5, &link.dropped_attributes_count, out);
        fixed32::encode(6, &flags(context, context.is_remote()), out);
    });
}

fn status(tag: u32, status: &Status, out: &mut Vec<u8>) {
    message(tag, out, |out| {
        if let Status::Error { description } = status {
            bytes(2, description.as_bytes(), out);
        }
        int32::encode(3, &StatusCode::from(status).into(), out);
    });
}

fn trace_state(tag: u32, context: &SpanContext, out: &mut Vec<u8>) {
    if *context.trace_state() != TraceState::NONE {
        bytes(tag, context.trace_state().header().as_bytes(), out);
    }
}

/// The flags of a span or a link, with whether its parent or target is remote.
fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    let mut flags = u32::from(context.trace_flags().to_u8()) | SpanFlags::ContextHasIsRemoteMask as u32;
    if is_remote {
        flags |= SpanFlags::ContextIsRemoteMask as u32;
    }
    flags
}

fn attributes(tag: u32, attributes: &[KeyValue], out: &mut Vec<u8>) {
    for KeyValue { key, value, .. } in attributes {
        let (key, value) = (key.as_str().as_bytes(), AttributeValue::from(value));
        header(tag, field_length(key.len()) + field_length(value.length()), out);
        bytes(1, key, out);
        header(2, value.length(), out);
        value.encode(out);
    }
}

/// An attribute's value: an `AnyValue`.
enum AttributeValue<'a> {
    Text(&'a str),
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// Arrays and future kinds, encoded by prost.
    Other(AnyValue),
}

impl<'a> From<&'a Value> for AttributeValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.as_str()),
            Value::Bool(value) => Self::Bool(*value),
            Value::I64(value) => Self::Integer(*value),
            Value::F64(value) => Self::Float(*value),
            other => Self::Other(AnyValue::from(other.clone())),
        }
    }
}

impl AttributeValue<'_> {
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => field_length(text.len()),
            Self::Bool(value) => bool::encoded_len(2, value),
            Self::Integer(value) => int64::encoded_len(3, value),
            Self::Float(value) => double::encoded_len(4, value),
            Self::Other(value) => value.encoded_len(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => bytes(1, text.as_bytes(), out),
            Self::Bool(value) => bool::encode(2, value, out),
            Self::Integer(value) => int64::encode(3, value, out),
            Self::Float(value) => double::encode(4, value, out),
            Self::Other(value) => value.encode_raw(out),
        }
    }
}

/// Appends a message. Its length is known at the end only, so its header is rotated to the front then.
fn message(tag: u32, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    encode(out);
    let end = out.len();
    header(tag, end - start, out);
    let header_length = out.len() - end;
    if let Some(message) = out.get_mut(start..) {
        message.rotate_right(header_length);
    }
}

fn bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    header(tag, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Key and length of a field with this many bytes.
fn header(tag: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

/// The length of a field with this many bytes, header included. The tag must be below 16.
fn field_length(length: usize) -> usize {
    key_len(1) + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use opentelemetry::trace::{
        Span as _, SpanBuilder, SpanKind as Kind, TraceContextExt as _, TraceFlags, TraceId, Tracer as _,
        TracerProvider as _,
    };
    use opentelemetry::{Array, Context};
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;

    const SPANS: u32 = 2;

    /// One attribute of each kind.
    fn attributes() -> Vec<KeyValue> {
        vec![
            KeyValue::new("text", "phone"),
            KeyValue::new("owned", "long enough that its length takes two bytes ".repeat(4)),
            KeyValue::new("empty", ""),
            KeyValue::new("true", true),
            KeyValue::new("false", false),
            KeyValue::new("number", 300_i64),
            KeyValue::new("negative", -1_i64),
            KeyValue::new("zero", 0_i64),
            KeyValue::new("share", 0.1),
            KeyValue::new("several", Value::Array(Array::I64(vec![1, 2, 3]))),
        ]
    }

    fn context(number: u8, is_remote: bool) -> SpanContext {
        let state =
            if is_remote { TraceState::from_key_value([("shop", "7")]).unwrap() } else { TraceState::NONE };
        let (trace, span) = (TraceId::from_bytes([number; 16]), SpanId::from_bytes([number; 8]));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, state)
    }

    /// The exported data of spans that are built from these.
    fn exported(parent: &Context, builders: Vec<(SpanBuilder, Status)>) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        for (builder, status) in builders {
            let mut span = provider.tracer("inrush").build_with_context(builder, parent);
            span.set_status(status);
            span.add_event("seen", attributes());
            span.end();
        }
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn encoding_equals_that_of_the_message() {
        let links = vec![Link::with_context(context(2, false)), Link::new(context(3, true), attributes(), 4)];
        let full = SpanBuilder {
            span_kind: Some(Kind::Consumer),
            start_time: Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_764_000_000_000_000_001)),
            attributes: Some(attributes()),
            links: Some(links),
            ..SpanBuilder::from_name("process")
        };
        let kinds = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer, Kind::Internal];
        let minimal = kinds.map(|kind| (SpanBuilder::from_name("a/B").with_kind(kind), Status::Unset));
        let ends = [Status::Ok, Status::Unset, Status::error(""), Status::error("why")];
        let builders: Vec<_> = ends.map(|status| (full.clone(), status)).into_iter().chain(minimal).collect();
        for parent in [Context::new(), Context::new().with_remote_span_context(context(1, true))] {
            let spans = exported(&parent, builders.clone());
            let mut encoded = Vec::new();
            spans.iter().for_each(|span| encode(SPANS, span, &mut encoded));
            let expected: Vec<Span> = spans.into_iter().map(Span::from).collect();
            assert_eq!(ScopeSpans::decode(&encoded[..]).unwrap().spans, expected);
        }
    }
}
