//! Calls of one message each way, without the machinery for streams of them.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use prost::Message;

use crate::call_error::CallError;

/// What stands before a message: whether it is compressed, and its length in four bytes.
const PREFIX: usize = 5;

/// Room for nearly every answer; a longer one makes room for itself.
const ROOM: usize = 256;

/// Reads the one message of a call, of at most `limit` bytes.
///
/// # Errors
/// `MessageTooLarge`, as soon as that is known; `MalformedRequest` for everything that is not one message of this type.
pub(crate) async fn read_message<M: Message + Default>(
    mut stream: RecvStream,
    limit: usize,
) -> Result<M, CallError> {
    let mut received = Bytes::new();
    while let Some(data) = next_data(&mut stream).await? {
        received = if received.is_empty() { data } else { joined(&received, data, &mut stream)? };
        check_length(&received, limit)?;
        // Most messages come in one piece, and nothing after them.
        if stream.is_end_stream() {
            break;
        }
    }
    decode(received)
}

async fn next_data(stream: &mut RecvStream) -> Result<Option<Bytes>, CallError> {
    stream.data().await.transpose().map_err(|error| interrupted(&error))
}

/// Pieces of a message, in one. The caller may send as much again; what came in one piece is given back by h2 at the end.
fn joined(received: &Bytes, data: Bytes, stream: &mut RecvStream) -> Result<Bytes, CallError> {
    stream.flow_control().release_capacity(data.len()).map_err(|error| interrupted(&error))?;
    let mut both = BytesMut::with_capacity(received.len() + data.len());
    both.put_slice(received);
    both.put(data);
    Ok(both.freeze())
}

/// Before all of it is there: what is too long is not waited for.
fn check_length(received: &Bytes, limit: usize) -> Result<(), CallError> {
    let Some((prefix, rest)) = received.split_first_chunk::<PREFIX>() else { return Ok(()) };
    let length = length(*prefix);
    if length > limit {
        let said = format!("the message has {length} bytes, and the limit is {limit}");
        return Err(CallError::MessageTooLarge(said));
    }
    if rest.len() > length {
        return Err(malformed("there is more than one message"));
    }
    Ok(())
}

fn decode<M: Message + Default>(mut received: Bytes) -> Result<M, CallError> {
    let Some(&prefix) = received.first_chunk::<PREFIX>() else {
        return Err(malformed("there is no message"));
    };
    if prefix[0] != 0 {
        return Err(malformed("it is compressed, and no `grpc-encoding` says how"));
    }
    received.advance(PREFIX);
    if received.len() < length(prefix) {
        return Err(malformed("it is shorter than it says"));
    }
    M::decode(received).map_err(|error| malformed(&error.to_string()))
}

const fn length([_, a, b, c, d]: [u8; PREFIX]) -> usize {
    u32::from_be_bytes([a, b, c, d]) as usize
}

fn malformed(said: &str) -> CallError {
    CallError::MalformedRequest(said.to_owned())
}

fn interrupted(error: &h2::Error) -> CallError {
    CallError::MalformedRequest(format!("it was not received whole: {error}"))
}

/// A message as it travels.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(ROOM);
    bytes.put_bytes(0, PREFIX);
    // Fails only where there is no room, and there always is.
    let _encoded = message.encode(&mut bytes);
    let length = u32::try_from(bytes.len() - PREFIX).unwrap_or_default();
    if let Some([_, prefix @ ..]) = bytes.first_chunk_mut::<PREFIX>() {
        *prefix = length.to_be_bytes();
    }
    bytes.freeze()
}
