//! Dictionaries.

use std::collections::HashMap;

use gtmpl_ng::{Func, FuncError, Value};

use super::arguments::{Returned, refused, text, value};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("dict", dict as Func),
    ("get", |given| Ok(entries(given, 0)?.get(&text(given, 1)?).cloned().unwrap_or_else(|| "".into()))),
    ("hasKey", |given| Ok(entries(given, 0)?.contains_key(&text(given, 1)?).into())),
    ("keys", |given| {
        Ok(sorted(entries(given, 0)?).into_iter().map(|(key, _)| Value::from(key)).collect::<Vec<_>>().into())
    }),
    ("values", |given| {
        Ok(Value::Array(sorted(entries(given, 0)?).into_iter().map(|(_, value)| value.clone()).collect()))
    }),
];

/// Keys and values, one after the other.
fn dict(given: &[Value]) -> Returned {
    let mut entries = HashMap::new();
    for pair in given.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| "".into());
        entries.insert(text(pair, 0)?, value);
    }
    Ok(Value::Map(entries))
}

fn entries(given: &[Value], place: usize) -> Result<&HashMap<String, Value>, FuncError> {
    match value(given, place)? {
        Value::Map(entries) | Value::Object(entries) => Ok(entries),
        other => Err(refused(format!("argument {} is {other}, and not a dictionary", place + 1))),
    }
}

/// By key, so that the same template always gives the same.
fn sorted(entries: &HashMap<String, Value>) -> Vec<(&str, &Value)> {
    let mut sorted: Vec<(&str, &Value)> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
    sorted.sort_by_key(|(key, _)| *key);
    sorted
}
