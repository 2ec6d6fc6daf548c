//! The W3C trace context: as a header, in its stored binary form, and as OpenTelemetry's types. `tracestate` is not propagated.

use http::{HeaderMap, HeaderName};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// A static name: text would be validated in every call.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The length of the binary form, in bytes.
pub const BINARY_LENGTH: usize = 29;

/// The ids of a trace and a span, and whether they are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
    is_remote: bool,
}

impl TraceContext {
    /// Parses `traceparent`. `None` if it is absent or invalid.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(&TRACEPARENT)?.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version_number] = decode_hex(version)?;
        // Later versions may only append parts; 255 is invalid.
        if version_number == u8::MAX || (version_number == 0 && parts.next().is_some()) {
            return None;
        }
        let [flags] = decode_hex(flags)?;
        Self::new(decode_hex(trace)?, decode_hex(span)?, flags)
    }

    /// Parses the binary form. `None` if it is invalid.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[0, 0], rest) = bytes.split_first_chunk()? else { return None };
        let (&trace, rest) = rest.split_first_chunk()?;
        let (&[1], rest) = rest.split_first_chunk()? else { return None };
        let (&span, rest) = rest.split_first_chunk()?;
        let &[2, flags] = rest else { return None };
        Self::new(trace, span, flags)
    }

    /// The binary form of `grpc-trace-bin`: a version byte 0, then each field after its number: 0 the trace id, 1 the span id,
    /// 2 the flags.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BINARY_LENGTH] {
        let mut bytes = [0; BINARY_LENGTH];
        let (trace, span) = (self.trace.to_bytes(), self.span.to_bytes());
        let fields = [0, 0].into_iter().chain(trace).chain([1]).chain(span).chain([2, self.flags.to_u8()]);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Whether the trace is sampled.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// The span context of OpenTelemetry.
    #[must_use]
    pub fn span_context(&self) -> SpanContext {
        SpanContext::new(self.trace, self.span, self.flags, self.is_remote, TraceState::NONE)
    }

    /// A context in which this span is the parent.
    #[must_use]
    pub fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.span_context())
    }

    /// A context from another process; `None` if an id is invalid.
    fn new(trace: [u8; 16], span: [u8; 8], flags: u8) -> Option<Self> {
        let (trace, span) = (TraceId::from_bytes(trace), SpanId::from_bytes(span));
        let is_valid = trace != TraceId::INVALID && span != SpanId::INVALID;
        is_valid.then_some(Self { trace, span, flags: TraceFlags::new(flags), is_remote: true })
    }
}

/// The context of a local span.
impl From<&SpanContext> for TraceContext {
    fn from(span: &SpanContext) -> Self {
        let (trace, flags, is_remote) = (span.trace_id(), span.trace_flags(), span.is_remote());
        Self { trace, span: span.span_id(), flags, is_remote }
    }
}

/// Decodes lower-case hexadecimal of exactly `N` bytes.
fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let is_hex = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn parse(text: &str) -> Option<TraceContext> {
        let header = http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
        TraceContext::from_headers(&HeaderMap::from_iter([("traceparent".parse().unwrap(), header)]))
    }

    #[test]
    fn all_forms_hold_the_same_context() {
        let context = parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert!(context.is_sampled());
        let bytes = context.to_bytes();
        assert_eq!((bytes[0], bytes[1], bytes[2], bytes[17]), (0, 0, 0x4b, 0x36));
        assert_eq!((bytes[18], bytes[19], bytes[26], bytes[27], bytes[28]), (1, 0, 0xb7, 2, 1));
        assert_eq!(TraceContext::from_bytes(&bytes), Some(context));
        let span = context.span_context();
        assert_eq!((span.trace_id().to_string(), span.span_id().to_string()), (TRACE.into(), SPAN.into()));
        assert!(span.is_remote() && span.is_sampled());
        assert_eq!(TraceContext::from(&span), context);
        assert_eq!(parse(&format!("cc-{TRACE}-{SPAN}-01-new")), Some(context), "a later version");
    }

    #[test]
    fn the_sampled_flag_is_read() {
        assert!(!parse(&format!("00-{TRACE}-{SPAN}-00")).unwrap().is_sampled());
    }

    #[test]
    fn invalid_headers_are_ignored() {
        assert_eq!(TraceContext::from_headers(&HeaderMap::new()), None);
        let zeros = "0".repeat(32);
        for text in [
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-x"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}"),
            format!("xx-{TRACE}-{SPAN}-01"),
            "äöü".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    #[test]
    fn invalid_bytes_are_ignored() {
        let bytes = parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap().to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(TraceContext::from_bytes(&bytes[..length]), None, "the first {length}");
        }
        for marker in [0, 1, 18, 27] {
            let mut other = bytes;
            other[marker] ^= 8;
            assert_eq!(TraceContext::from_bytes(&other), None, "byte {marker}");
        }
        assert_eq!(TraceContext::from_bytes(&[&bytes[..], &[0]].concat()), None, "one more");
    }
}
