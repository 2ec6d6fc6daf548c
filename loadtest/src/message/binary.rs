//! Messages that are given encoded: one, or several with their lengths in front.

use prost::encoding::decode_varint;
use prost_reflect::{DynamicMessage, MessageDescriptor};

/// The messages in `bytes`. They are several if all of it can be read so, and one otherwise.
///
/// # Errors
/// When it is neither: what the decoder says.
pub(super) fn messages(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if let Some(several) = with_lengths(descriptor, bytes) {
        return Ok(several);
    }
    match DynamicMessage::decode(descriptor.clone(), bytes) {
        Ok(_) => Ok(vec![bytes.to_vec()]),
        Err(error) => Err(error.to_string()),
    }
}

fn with_lengths(descriptor: &MessageDescriptor, mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
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
    fn one_message_and_several_are_told_apart() {
        let one = b"\x0a\x03Bob";
        assert_eq!(messages(&string_value(), one).unwrap(), [one.to_vec()]);
        let several = b"\x05\x0a\x03Bob\x07\x0a\x05Alice";
        assert_eq!(messages(&string_value(), several).unwrap(), [one.to_vec(), b"\x0a\x05Alice".to_vec()]);
        assert_eq!(messages(&string_value(), b"").unwrap(), [Vec::<u8>::new()]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(messages(&string_value(), b"\x0a\x09Bob").is_err());
    }
}
