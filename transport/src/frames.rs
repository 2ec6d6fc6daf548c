//! Messages in a stream of bytes: five bytes of prefix (a flag and a length), then the message.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use bytes::{Buf as _, Bytes, BytesMut};

/// Length of a prefix.
pub(super) const PREFIX: usize = 5;

/// Finds the messages in a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Frames {
    prefix: [u8; PREFIX],
    filled: usize,
    left: usize,
    limit: usize,
    begun: u32,
    kept: Option<BytesMut>,
    /// Complete messages, if all are kept.
    complete: Option<Vec<Bytes>>,
}

/// An invalid stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameError {
    TooLong { length: usize, limit: usize },
    Cut,
}

impl Frames {
    /// Messages of at most `limit` bytes; the last one is kept if asked for.
    pub(super) fn new(limit: usize, keep: bool) -> Self {
        Self { limit, kept: keep.then(BytesMut::new), ..Self::default() }
    }

    /// Messages of at most `limit` bytes; all are kept.
    pub(super) fn keeping_all(limit: usize) -> Self {
        Self { complete: Some(Vec::new()), ..Self::new(limit, true) }
    }

    /// The messages that were completed since the last call.
    pub(super) fn complete(&mut self) -> Vec<Bytes> {
        self.complete.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds received bytes.
    pub(super) fn take(&mut self, mut bytes: Bytes) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let part = self.left.min(bytes.len());
                self.left -= part;
                match &mut self.kept {
                    Some(kept) => kept.extend_from_slice(&bytes.split_to(part)),
                    None => bytes.advance(part),
                }
                self.collect();
            } else {
                let part = (PREFIX - self.filled).min(bytes.len());
                if let Some(rest) = self.prefix.get_mut(self.filled..self.filled + part) {
                    bytes.copy_to_slice(rest);
                }
                self.filled += part;
                if self.filled == PREFIX {
                    self.begin_message()?;
                }
            }
        }
        Ok(())
    }

    fn begin_message(&mut self) -> Result<(), FrameError> {
        let [_, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        self.left = length;
        self.filled = 0;
        self.begun = self.begun.saturating_add(1);
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
        self.collect();
        Ok(())
    }

    /// Keeps a complete message.
    fn collect(&mut self) {
        if self.left == 0
            && let (Some(complete), Some(kept)) = (&mut self.complete, &mut self.kept)
        {
            complete.push(kept.split().freeze());
        }
    }

    /// Number of complete messages.
    pub(super) fn count(&self) -> u32 {
        self.begun - u32::from(self.left > 0)
    }

    /// The stream is over. Returns the last message, if it was to be kept.
    pub(super) fn end(self) -> Result<Bytes, FrameError> {
        if self.left > 0 || self.filled > 0 {
            return Err(FrameError::Cut);
        }
        Ok(self.kept.map(BytesMut::freeze).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x02de";
        for cut in 1..stream.len() {
            let mut frames = Frames::new(3, true);
            for part in stream.chunks(cut) {
                frames.take(Bytes::copy_from_slice(part)).unwrap();
            }
            assert_eq!(frames.count(), 3);
            assert_eq!(frames.end().unwrap(), "de");
        }
    }

    #[test]
    fn all_messages_are_kept_if_they_are_wanted() {
        let stream = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x02de";
        for cut in 1..stream.len() {
            let mut frames = Frames::keeping_all(3);
            let mut complete = Vec::new();
            for part in stream.chunks(cut) {
                frames.take(Bytes::copy_from_slice(part)).unwrap();
                complete.extend(frames.complete());
            }
            assert_eq!(complete, [&b"abc"[..], b"", b"de"]);
        }
    }

    #[test]
    fn long_and_cut_messages_are_errors() {
        let mut frames = Frames::new(3, false);
        let long = frames.take(Bytes::from_static(b"\0\0\0\0\x04abcd"));
        assert_eq!(long, Err(FrameError::TooLong { length: 4, limit: 3 }));
        for cut in [&b"\0\0"[..], b"\0\0\0\0\x03ab"] {
            let mut frames = Frames::new(3, false);
            frames.take(Bytes::from_static(cut)).unwrap();
            assert_eq!(frames.count(), 0);
            assert_eq!(frames.end(), Err(FrameError::Cut));
        }
    }
}
