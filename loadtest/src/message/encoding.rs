//! The framing of messages: a prefix of five bytes (a flag and a length), then the message, compressed or not.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use inrush_transport::Error;

/// Length of the prefix.
const PREFIX_SIZE: usize = 5;

/// How messages are encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    /// Compress with gzip.
    pub(super) compressed: bool,
    /// Maximum length of a message in bytes, before compression.
    pub(super) max_size: usize,
}

impl Encoding {
    /// Frames an encoded message.
    pub(super) fn frame(self, message: &[u8]) -> Result<Bytes, Error> {
        if message.len() > self.max_size {
            return Err(Error::new(
                format!(
                    "a message has {} bytes: --max-send-message-size allows {}",
                    message.len(),
                    self.max_size
                ),
                "send a shorter message, or raise the limit",
            ));
        }
        if self.compressed { prefixed(1, &gzip(message)?) } else { prefixed(0, message) }
    }
}

/// Frames an encoded message without compression.
///
/// # Errors
/// If it is longer than 4 GiB.
pub fn framed(message: &[u8]) -> Result<Bytes, Error> {
    prefixed(0, message)
}

fn prefixed(flag: u8, message: &[u8]) -> Result<Bytes, Error> {
    let length = u32::try_from(message.len()).map_err(|_| {
        Error::new(
            format!("a message has {} bytes: gRPC allows at most 4 GiB", message.len()),
            "send a shorter message",
        )
    })?;
    let mut frame = BytesMut::with_capacity(PREFIX_SIZE + message.len());
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

fn gzip(message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).and_then(|()| encoder.finish()).map_err(|error| {
        Error::new(format!("cannot compress a message: {error}"), "omit --enable-compression")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_frame_begins_with_the_length_of_the_message() {
        assert_eq!(framed(b"abc").unwrap(), &b"\0\0\0\0\x03abc"[..]);
        assert_eq!(framed(b"").unwrap(), &b"\0\0\0\0\0"[..]);
    }

    #[test]
    fn a_compressed_frame_has_the_flag() {
        let text = [b'a'; 1000];
        let frame = Encoding { compressed: true, max_size: 1000 }.frame(&text).unwrap();
        assert_eq!(frame[0], 1);
        assert_eq!(u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize, frame.len() - 5);
        assert!(frame.len() < 100);
        let mut plain = Vec::new();
        GzDecoder::new(&frame[5..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, text);
    }

    #[test]
    fn a_message_beyond_the_limit_is_an_error() {
        let error = Encoding { compressed: false, max_size: 2 }.frame(b"abc").unwrap_err();
        assert!(error.wrong().contains("3 bytes") && error.wrong().contains("--max-send-message-size"));
    }
}
