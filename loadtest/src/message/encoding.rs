//! Messages as they travel: five bytes of prefix (a flag and a length), then the message, compressed or not.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};

use crate::problem::Problem;

/// Length of a prefix.
const PREFIX: usize = 5;

/// How messages are put into bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    /// With gzip.
    pub(super) compressed: bool,
    /// Longest message, in bytes, before it is compressed.
    pub(super) longest: usize,
}

impl Encoding {
    /// An encoded message with its prefix.
    pub(super) fn frame(self, message: &[u8]) -> Result<Bytes, Problem> {
        if message.len() > self.longest {
            return Err(Problem::new(
                format!(
                    "a message has {} bytes, and --max-send-message-size allows {}",
                    message.len(),
                    self.longest
                ),
                "send a shorter message, or allow longer ones",
            ));
        }
        if self.compressed { prefixed(1, &gzip(message)?) } else { prefixed(0, message) }
    }
}

/// An encoded message with its prefix, not compressed.
///
/// # Errors
/// When it is too long for a prefix: more than 4 GiB.
pub fn framed(message: &[u8]) -> Result<Bytes, Problem> {
    prefixed(0, message)
}

fn prefixed(flag: u8, message: &[u8]) -> Result<Bytes, Problem> {
    let length = u32::try_from(message.len()).map_err(|_| {
        Problem::new(
            format!("a message has {} bytes, and gRPC allows at most 4 GiB", message.len()),
            "send a shorter message",
        )
    })?;
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

fn gzip(message: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).and_then(|()| encoder.finish()).map_err(|error| {
        Problem::new(format!("a message cannot be compressed: {error}"), "leave --enable-compression out")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_message_gets_its_length_in_front() {
        assert_eq!(framed(b"abc").unwrap(), &b"\0\0\0\0\x03abc"[..]);
        assert_eq!(framed(b"").unwrap(), &b"\0\0\0\0\0"[..]);
    }

    #[test]
    fn a_compressed_message_says_so() {
        let text = [b'a'; 1000];
        let frame = Encoding { compressed: true, longest: 1000 }.frame(&text).unwrap();
        assert_eq!(frame[0], 1);
        assert_eq!(u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize, frame.len() - 5);
        assert!(frame.len() < 100);
        let mut plain = Vec::new();
        GzDecoder::new(&frame[5..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, text);
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let problem = Encoding { compressed: false, longest: 2 }.frame(b"abc").unwrap_err();
        assert!(problem.wrong().contains("3 bytes") && problem.wrong().contains("--max-send-message-size"));
    }
}
