//! Encodes messages from JSON, by the JSON mapping of protobuf.
//! <https://protobuf.dev/programming-guides/json/>

use inrush_simulation::nearest;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Deserializer, Value};

/// Encodes the message that `text` describes.
///
/// # Errors
/// The error with line and column and, if it is known, the field.
pub(super) fn encode(descriptor: &MessageDescriptor, text: &str) -> Result<Vec<u8>, String> {
    match read(descriptor, text) {
        Ok(message) => Ok(message.encode_to_vec()),
        Err(_) => Err(explain(descriptor, text)),
    }
}

fn read(descriptor: &MessageDescriptor, text: &str) -> Result<DynamicMessage, serde_json::Error> {
    let mut deserializer = Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut deserializer)?;
    deserializer.end()?;
    Ok(message)
}

/// Parses the text again and tracks the path of the error, which would slow down the parsing of valid messages.
fn explain(descriptor: &MessageDescriptor, text: &str) -> String {
    let name = descriptor.full_name();
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return format!("it is not JSON: {error}"),
    };
    if let Some(unknown) = unknown_field(descriptor, &value, "") {
        return format!("it does not fit {name}: {unknown}");
    }
    let mut deserializer = Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let traced = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    match DynamicMessage::deserialize(descriptor.clone(), traced) {
        Ok(_) => format!("it does not fit {name}"),
        Err(error) => match track.path().to_string().as_str() {
            "" | "." => format!("it does not fit {name}: {error}"),
            path => format!("it does not fit {name}: field {path}: {error}"),
        },
    }
}

/// The first unknown field, and the known fields.
fn unknown_field(descriptor: &MessageDescriptor, value: &Value, path: &str) -> Option<String> {
    // Messages of this package have special forms in JSON.
    if descriptor.package_name() == "google.protobuf" {
        return None;
    }
    value.as_object()?.iter().find_map(|(key, value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        // Extensions are written in brackets.
        if key.starts_with('[') {
            return None;
        }
        let field = descriptor.get_field_by_json_name(key).or_else(|| descriptor.get_field_by_name(key));
        let Some(field) = field else { return Some(no_such_field(descriptor, &path, key)) };
        let Kind::Message(inner) = field.kind() else { return None };
        if field.is_map() {
            return None;
        }
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(number, item)| unknown_field(&inner, item, &format!("{path}[{number}]"))),
            value => unknown_field(&inner, value, &path),
        }
    })
}

fn no_such_field(descriptor: &MessageDescriptor, path: &str, key: &str) -> String {
    let fields: Vec<String> = descriptor.fields().map(|field| field.json_name().to_owned()).collect();
    let hint = nearest::hint(key, fields.iter().map(String::as_str));
    let known = if fields.is_empty() {
        "it has no fields".to_owned()
    } else {
        format!("it has {}", fields.join(", "))
    };
    format!("{} has no field {path:?}{hint} ({known})", descriptor.full_name())
}
