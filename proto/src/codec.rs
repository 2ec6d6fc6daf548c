//! How messages become bytes and bytes messages, where tonic does it.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// What the buffer of a stream of messages holds at first, bytes. It grows when it has to; tonic's own 8 KiB would be more
/// than half of what an open `WatchStatus` costs a front.
const BUFFER: usize = 256;
/// Bytes of messages that are ready before they are sent together, as in tonic.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// Protobuf by prost, with small buffers.
pub(crate) struct SmallBuffers<T, U> {
    messages: PhantomData<(T, U)>,
}

impl<T, U> Default for SmallBuffers<T, U> {
    fn default() -> Self {
        Self { messages: PhantomData }
    }
}

impl<T, U> Codec for SmallBuffers<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(small())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(small())
    }
}

fn small() -> BufferSettings {
    BufferSettings::new(BUFFER, YIELD_THRESHOLD)
}
