//! A caller's W3C trace context, kept with the ticket so that the order's spans can be linked to the buyer's call.

use http::HeaderMap;

/// Length of [`TraceContext`]'s binary form.
const LENGTH: usize = 29;

/// A sampled trace context in the binary form of `grpc-trace-bin`: a version byte 0, then each field after its number:
/// 0 the trace id, 1 the parent's span id, 2 the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext([u8; LENGTH]);

impl TraceContext {
    /// Reads `traceparent`. None: there is none, it cannot be read, or the caller does not sample this call.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("traceparent")?.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may only add parts, and 255 is none.
        let is_readable =
            version.len() == 2 && version != "ff" && (version != "00" || parts.next().is_none());
        let trace: [u8; 16] = bytes_of(trace)?;
        let span: [u8; 8] = bytes_of(span)?;
        let [flags] = bytes_of(flags)?;
        let is_sampled = flags & 1 == 1;
        if !is_readable || !is_sampled || trace == [0; 16] || span == [0; 8] {
            return None;
        }
        let fields = [&[0, 0][..], &trace, &[1], &span, &[2, flags]];
        let mut bytes = [0; LENGTH];
        bytes.iter_mut().zip(fields.concat()).for_each(|(to, from)| *to = from);
        Some(Self(bytes))
    }

    /// The binary form.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Lower-case hexadecimal of exactly `N` bytes.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
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

    fn read(traceparent: &str) -> Option<TraceContext> {
        TraceContext::read(&HeaderMap::from_iter([(
            "traceparent".parse().unwrap(),
            traceparent.parse().unwrap(),
        )]))
    }

    #[test]
    fn a_sampled_context_is_kept_in_binary() {
        let context = read(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        let bytes = context.as_bytes();
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!((bytes[0], bytes[1], bytes[2], bytes[17]), (0, 0, 0x4b, 0x36));
        assert_eq!((bytes[18], bytes[19], bytes[26]), (1, 0, 0xb7));
        assert_eq!((bytes[27], bytes[28]), (2, 1));
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01-new")), Some(context), "a later version");
    }

    #[test]
    fn what_is_not_sampled_or_no_context_is_left() {
        assert_eq!(TraceContext::read(&HeaderMap::new()), None);
        let zeros = "0".repeat(32);
        for text in [
            format!("00-{TRACE}-{SPAN}-00"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-x"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}"),
            "äöü".to_owned(),
            String::new(),
        ] {
            let header = http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), header)]);
            assert_eq!(TraceContext::read(&headers), None, "{text}");
        }
    }
}
