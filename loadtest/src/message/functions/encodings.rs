//! Other forms of a value.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gtmpl_ng::{Func, FuncError, NumberKind, Value};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::arguments::{Returned, refused, text, value};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("b64enc", (|given| Ok(BASE64_STANDARD.encode(text(given, 0)?).into())) as Func),
    ("b64dec", b64dec),
    ("toJson", |given| Ok(json(value(given, 0)?).to_string().into())),
    ("fromJson", from_json),
    ("sha256sum", |given| {
        Ok(Sha256::digest(text(given, 0)?)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into())
    }),
];

fn b64dec(given: &[Value]) -> Returned {
    let bytes = BASE64_STANDARD.decode(text(given, 0)?).map_err(|error| refused(error.to_string()))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| refused("what is encoded is not text"))
}

fn json(value: &Value) -> Json {
    match value {
        Value::NoValue | Value::Nil | Value::Function(_) => Json::Null,
        Value::Bool(yes) => Json::from(*yes),
        Value::String(text) => Json::from(text.as_str()),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(entries) | Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), json(value))).collect()
        }
        Value::Number(number) => match number.kind() {
            NumberKind::Unsigned(number) => Json::from(number),
            NumberKind::Signed(number) => Json::from(number),
            NumberKind::Float(number) => Json::from(number),
        },
    }
}

fn from_json(given: &[Value]) -> Result<Value, FuncError> {
    serde_json::from_str(&text(given, 0)?).map(template_value).map_err(|error| refused(error.to_string()))
}

fn template_value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(yes) => yes.into(),
        Json::String(text) => text.into(),
        Json::Array(items) => Value::Array(items.into_iter().map(template_value).collect()),
        Json::Object(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (key, template_value(value))).collect())
        }
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
        },
    }
}
