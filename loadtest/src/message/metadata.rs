//! Metadata of calls, from JSON.

use base64::{
    Engine as _,
    engine::{GeneralPurpose, general_purpose::GeneralPurposeConfig},
    prelude::BASE64_STANDARD_NO_PAD,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{template::Template, variables::CallData};

/// The end of a name whose value is bytes.
const BINARY: &str = "-bin";

/// Names that gRPC or HTTP/2 has for itself.
const RESERVED: [&str; 6] = ["te", "content-type", "grpc-timeout", "grpc-encoding", "connection", "host"];

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// The metadata of a call: of each of several in turn, if a list was given.
pub(super) struct Metadata {
    turns: Vec<Entries>,
}

/// The entries of one call.
struct Entries {
    fixed: HeaderMap,
    made: Vec<(HeaderName, Template)>,
}

impl Metadata {
    /// No metadata.
    pub(super) fn none() -> Self {
        Self { turns: vec![Entries { fixed: HeaderMap::new(), made: Vec::new() }] }
    }

    /// Reads an object, or a list of them.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn parse(text: &str, templates: bool, functions: bool) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let objects = match value {
            Value::Object(object) => vec![object],
            Value::Array(items) if !items.is_empty() => {
                items.into_iter().map(object).collect::<Result<_, _>>()?
            }
            _ => return Err("it is neither an object nor a list of objects".to_owned()),
        };
        let turns = objects.iter().map(|entries| Entries::parse(entries, templates, functions));
        Ok(Self { turns: turns.collect::<Result<_, _>>()? })
    }

    /// How many calls it takes until it is the turn of the first again.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    /// The metadata of a call.
    ///
    /// # Errors
    /// When a template cannot be evaluated, or what it gives is no value.
    pub(super) fn of(&self, number: u64, call: &CallData<'_>) -> Result<HeaderMap, String> {
        let turn = usize::try_from(number % self.turns.len() as u64).unwrap_or(0);
        let Some(Entries { fixed, made }) = self.turns.get(turn) else { return Ok(HeaderMap::new()) };
        let mut metadata = fixed.clone();
        for (name, template) in made {
            let text = template.render(call).map_err(|error| format!("{name}: {error}"))?;
            metadata.insert(name, value(name, &text)?);
        }
        Ok(metadata)
    }
}

impl Entries {
    fn parse(object: &Map<String, Value>, templates: bool, functions: bool) -> Result<Self, String> {
        let mut entries = Self { fixed: HeaderMap::new(), made: Vec::new() };
        for (key, given) in object {
            let name = name(key)?;
            let Value::String(text) = given else {
                return Err(format!("{key}: the value is {given}, and must be text: write it in quotes"));
            };
            if templates && Template::is_in(text) {
                let template = Template::parse(text, functions).map_err(|error| format!("{key}: {error}"))?;
                entries.made.push((name, template));
            } else {
                let value = value(&name, text)?;
                entries.fixed.insert(name, value);
            }
        }
        Ok(entries)
    }
}

/// Metadata without templates.
///
/// # Errors
/// What is wrong with the text.
pub fn plain_metadata(text: &str) -> Result<HeaderMap, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    Entries::parse(&object(value)?, false, false).map(|entries| entries.fixed)
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("{other} is not an object")),
    }
}

fn name(key: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(key).map_err(|_| {
        format!("{key:?} is no name of metadata: it may have letters, digits and - _ . in it")
    })?;
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("{key:?} is set by gRPC itself"));
    }
    Ok(name)
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    let value = if name.as_str().ends_with(BINARY) {
        let bytes =
            BASE64.decode(text).map_err(|error| format!("{name}: the value is not base64: {error}"))?;
        HeaderValue::try_from(BASE64_STANDARD_NO_PAD.encode(bytes))
    } else {
        HeaderValue::try_from(text)
    };
    value.map_err(|_| {
        format!("{name}: {text:?} has letters that metadata cannot have; a name with {BINARY} takes base64")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_and_bytes_are_kept() {
        let metadata = plain_metadata(r#"{"Token":"secret","trace-bin":"AAEC/w=="}"#).unwrap();
        assert_eq!(metadata["token"], "secret");
        assert_eq!(metadata["trace-bin"], "AAEC/w");
    }

    #[test]
    fn what_is_no_metadata_is_refused_by_name() {
        let cases = [
            ("{", "not JSON"),
            ("[]", "not an object"),
            (r#"{"a b":"1"}"#, "a b"),
            (r#"{"te":"1"}"#, "set by gRPC"),
            (r#"{"a":1}"#, "in quotes"),
            (r#"{"a":"\n"}"#, "letters"),
            (r#"{"a-bin":"?"}"#, "base64"),
        ];
        for (text, part) in cases {
            let error = plain_metadata(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
