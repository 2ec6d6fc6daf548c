//! Histograms that can be written down: as HDR's own compressed form, in base64.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use serde::{
    Deserialize, Deserializer as SerdeDeserializer, Serializer as SerdeSerializer, de::Error as _,
    ser::Error as _,
};

/// Reads a histogram of nanoseconds.
pub trait Quantile {
    /// The latency that the share `quantile` (0 to 1) of all calls did not exceed.
    fn at(&self, quantile: f64) -> Duration;
}

impl Quantile for Histogram<u64> {
    fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.value_at_quantile(quantile))
    }
}

/// Serde's form of a histogram, for `#[serde(with = "encoded")]`.
pub mod encoded {
    use super::*;

    /// Base64 of HDR's V2 deflate form.
    pub fn serialize<S: SerdeSerializer>(
        histogram: &Histogram<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes).map_err(S::Error::custom)?;
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    /// The reverse of [`serialize`].
    pub fn deserialize<'de, D: SerdeDeserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(D::Error::custom)
    }
}
