//! Choices.

use std::env;

use gtmpl_ng::{Func, Value};

use super::arguments::{Returned, is_empty, refused, text, value};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("default", default as Func),
    ("empty", |given| Ok(is_empty(value(given, 0)?).into())),
    ("coalesce", |given| Ok(given.iter().find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))),
    ("ternary", ternary),
    ("all", |given| Ok(given.iter().all(|value| !is_empty(value)).into())),
    ("any", |given| Ok(given.iter().any(|value| !is_empty(value)).into())),
    ("fail", |given| Err(refused(text(given, 0)?))),
    ("env", |given| Ok(env::var(text(given, 0)?).unwrap_or_default().into())),
];

/// The second argument, or the first where there is none.
fn default(given: &[Value]) -> Returned {
    let otherwise = value(given, 0)?;
    Ok(given.get(1).filter(|value| !is_empty(value)).unwrap_or(otherwise).clone())
}

/// The first argument if the third is true, and otherwise the second.
fn ternary(given: &[Value]) -> Returned {
    let place = if is_empty(value(given, 2)?) { 1 } else { 0 };
    value(given, place).cloned()
}
