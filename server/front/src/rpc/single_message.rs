//! A request body that must hold one message. tonic reads the first and drops the others; with this body all other calls
//! refuse them, as the hot calls do.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::{Status, codegen::StdError};

use crate::call_error::CallError;
use crate::rpc::unary::{PREFIX, length};

/// Passes frames on, and fails where a second message begins.
pub(super) struct SingleMessage<B> {
    body: B,
    part: Part,
}

/// The part of the message that comes next.
enum Part {
    Prefix { bytes: [u8; PREFIX], filled: usize },
    Content { missing: usize },
}

impl<B> SingleMessage<B> {
    pub(super) const fn new(body: B) -> Self {
        Self { body, part: Part::Prefix { bytes: [0; PREFIX], filled: 0 } }
    }

    /// Follows the message through the next bytes.
    fn follow(&mut self, mut data: &[u8]) -> Result<(), CallError> {
        while let Some((&first, rest)) = data.split_first() {
            match &mut self.part {
                Part::Prefix { bytes, filled } => {
                    if let Some(byte) = bytes.get_mut(*filled) {
                        *byte = first;
                    }
                    *filled += 1;
                    data = rest;
                    if *filled == PREFIX {
                        self.part = Part::Content { missing: length(*bytes) };
                    }
                }
                Part::Content { missing: 0 } => return Err(CallError::second_message()),
                Part::Content { missing } => {
                    let taken = data.len().min(*missing);
                    *missing -= taken;
                    data = data.get(taken..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }
}

impl<B> Body for SingleMessage<B>
where
    B: Body<Data = Bytes, Error: Into<StdError>> + Unpin,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Into::into)?;
            if let Some(data) = frame.data_ref() {
                self.follow(data).map_err(Status::from)?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::unary::encode;

    fn follow(pieces: &[&[u8]]) -> Result<(), CallError> {
        let mut body = SingleMessage::new(());
        pieces.iter().try_for_each(|piece| body.follow(piece))
    }

    #[test]
    fn one_message_passes_in_any_pieces_and_a_second_does_not() {
        let message = encode(&"text".to_owned());
        for size in 1..=message.len() {
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            assert_eq!(follow(&pieces), Ok(()), "in pieces of {size}");
            let twice = [pieces.clone(), vec![&message[..1]]].concat();
            assert_eq!(follow(&twice), Err(CallError::second_message()), "in pieces of {size}");
        }
        assert_eq!(follow(&[&[message.clone(), message].concat()]), Err(CallError::second_message()));
    }

    #[test]
    fn an_empty_message_is_a_message() {
        assert_eq!(follow(&[&[0; PREFIX]]), Ok(()));
        assert_eq!(follow(&[&[0; 2 * PREFIX]]), Err(CallError::second_message()));
        assert_eq!(follow(&[&[0; PREFIX - 1], &[]]), Ok(()));
    }
}
