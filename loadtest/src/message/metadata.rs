//! The metadata of calls, from JSON.

use base64::{
    Engine as _,
    engine::{GeneralPurpose, general_purpose::GeneralPurposeConfig},
    prelude::BASE64_STANDARD_NO_PAD,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{template::Template, variables::CallData};

/// Suffix of the names of binary values.
const BINARY_SUFFIX: &str = "-bin";

/// Names that are reserved by gRPC or HTTP/2.
const RESERVED: [&str; 6] = ["te", "content-type", "grpc-timeout", "grpc-encoding", "connection", "host"];

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// The metadata of all calls. The items of a list are used in turn.
pub(super) struct Metadata {
    items: Vec<Entries>,
}

/// The entries of one item.
struct Entries {
    constant: HeaderMap,
    templates: Vec<(HeaderName, Template)>,
}

impl Metadata {
    /// No metadata.
    pub(super) fn none() -> Self {
        Self { items: vec![Entries { constant: HeaderMap::new(), templates: Vec::new() }] }
    }

    /// Parses an object, or a list of objects.
    ///
    /// # Errors
    /// If the text is neither, or has an invalid name or value.
    pub(super) fn parse(text: &str, templates: bool, functions: bool) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let objects = match value {
            Value::Object(object) => vec![object],
            Value::Array(items) if !items.is_empty() => {
                items.into_iter().map(object).collect::<Result<_, _>>()?
            }
            _ => return Err("it is neither an object nor a list of objects".to_owned()),
        };
        let items = objects.iter().map(|entries| Entries::parse(entries, templates, functions));
        Ok(Self { items: items.collect::<Result<_, _>>()? })
    }

    /// Number of items.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The metadata of a call.
    ///
    /// # Errors
    /// If a template cannot be evaluated, or its result is not a valid value.
    pub(super) fn of(&self, number: u64, call: &CallData<'_>) -> Result<HeaderMap, String> {
        let index = usize::try_from(number % self.items.len() as u64).unwrap_or(0);
        let Some(Entries { constant, templates }) = self.items.get(index) else {
            return Ok(HeaderMap::new());
        };
        let mut metadata = constant.clone();
        for (name, template) in templates {
            let text = template.render(call).map_err(|error| format!("{name}: {error}"))?;
            metadata.insert(name, parse_value(name, &text)?);
        }
        Ok(metadata)
    }
}

impl Entries {
    fn parse(object: &Map<String, Value>, templates: bool, functions: bool) -> Result<Self, String> {
        let mut entries = Self { constant: HeaderMap::new(), templates: Vec::new() };
        for (key, value) in object {
            let name = parse_name(key)?;
            let Value::String(text) = value else {
                return Err(format!("{key}: the value {value} is not a string: write it in quotes"));
            };
            if templates && Template::is_in(text) {
                let template = Template::parse(text, functions).map_err(|error| format!("{key}: {error}"))?;
                entries.templates.push((name, template));
            } else {
                let value = parse_value(&name, text)?;
                entries.constant.insert(name, value);
            }
        }
        Ok(entries)
    }
}

/// Parses metadata without templates.
///
/// # Errors
/// If the text is not an object, or has an invalid name or value.
pub fn plain_metadata(text: &str) -> Result<HeaderMap, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    Entries::parse(&object(value)?, false, false).map(|entries| entries.constant)
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("{other} is not an object")),
    }
}

fn parse_name(key: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(key)
        .map_err(|_| format!("{key:?} is not a metadata name: allowed are letters, digits and - _ ."))?;
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("{key:?} is reserved: gRPC sets it"));
    }
    Ok(name)
}

fn parse_value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    let value = if name.as_str().ends_with(BINARY_SUFFIX) {
        let bytes =
            BASE64.decode(text).map_err(|error| format!("{name}: the value is not base64: {error}"))?;
        HeaderValue::try_from(BASE64_STANDARD_NO_PAD.encode(bytes))
    } else {
        HeaderValue::try_from(text)
    };
    value.map_err(|_| {
        format!("{name}: {text:?} has characters that are not allowed in metadata; names ending in {BINARY_SUFFIX} take base64")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_binary_values_are_parsed() {
        let metadata = plain_metadata(r#"{"Token":"secret","trace-bin":"AAEC/w=="}"#).unwrap();
        assert_eq!(metadata["token"], "secret");
        assert_eq!(metadata["trace-bin"], "AAEC/w");
    }

    #[test]
    fn invalid_metadata_is_an_error_that_names_the_entry() {
        let cases = [
            ("{", "not JSON"),
            ("[]", "not an object"),
            (r#"{"a b":"1"}"#, "a b"),
            (r#"{"te":"1"}"#, "reserved"),
            (r#"{"a":1}"#, "in quotes"),
            (r#"{"a":"\n"}"#, "characters"),
            (r#"{"a-bin":"?"}"#, "base64"),
        ];
        for (text, part) in cases {
            let error = plain_metadata(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
