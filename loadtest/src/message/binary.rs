//! Encoded messages: one, or several, each with a length prefix.

use prost::encoding::decode_varint;
use prost_reflect::{DynamicMessage, MessageDescriptor};

/// The messages in `bytes`: several if all of it decodes as messages with length prefixes, otherwise one.
///
/// # Errors
/// If it decodes as neither: the error of the decoder.
pub(super) fn messages(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if let Some(several) = length_delimited(descriptor, bytes) {
        return Ok(several);
    }
    match DynamicMessage::decode(descriptor.clone(), bytes) {
        Ok(_) => Ok(vec![bytes.to_vec()]),
        Err(error) => Err(error.to_string()),
    }
}

fn length_delimited(descriptor: &MessageDescriptor, mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
        let (message, after) = rest.split_at_checked(length)?;
        DynamicMessage::decode(descriptor.clone(), message).ok()?;
        messages.push(message.to_vec());
        rest = after;
    }
    (!messages.is_empty()).then_some(messages)
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    fn string_value() -> MessageDescriptor {
        DescriptorPool::global().get_message_by_name("google.protobuf.StringValue").unwrap()
    }

    #[test]
    fn one_message_and_several_are_distinguished() {
        let one = b"\x0a\x03Bob";
        assert_eq!(messages(&string_value(), one).unwrap(), [one.to_vec()]);
        let several = b"\x05\x0a\x03Bob\x07\x0a\x05Alice";
        assert_eq!(messages(&string_value(), several).unwrap(), [one.to_vec(), b"\x0a\x05Alice".to_vec()]);
        assert_eq!(messages(&string_value(), b"").unwrap(), [Vec::<u8>::new()]);
    }

    #[test]
    fn invalid_bytes_are_an_error() {
        assert!(messages(&string_value(), b"\x0a\x09Bob").is_err());
    }
}
