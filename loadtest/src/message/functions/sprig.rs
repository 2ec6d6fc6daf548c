//! The functions of sprig that test data needs. <https://masterminds.github.io/sprig/>

use std::env;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gtmpl_ng::{Func, Value};

use super::arguments::{
    Function, MAX_LENGTH, Returned, error, format_value, integer, is_empty, length, list, text, value,
};

pub(super) const FUNCTIONS: &[Function] = &[
    ("trim", (|arguments| Ok(text(arguments, 0)?.trim().into())) as Func),
    ("upper", |arguments| Ok(text(arguments, 0)?.to_uppercase().into())),
    ("lower", |arguments| Ok(text(arguments, 0)?.to_lowercase().into())),
    ("repeat", repeat),
    ("replace", replace),
    ("trunc", trunc),
    ("join", join),
    ("b64enc", |arguments| Ok(BASE64_STANDARD.encode(text(arguments, 0)?).into())),
    ("add", |arguments| fold(arguments, i64::checked_add)),
    ("sub", |arguments| fold(arguments, i64::checked_sub)),
    ("mul", |arguments| fold(arguments, i64::checked_mul)),
    ("div", |arguments| fold(arguments, i64::checked_div)),
    ("mod", |arguments| fold(arguments, i64::checked_rem)),
    ("max", |arguments| fold(arguments, |left, right| Some(left.max(right)))),
    ("min", |arguments| fold(arguments, |left, right| Some(left.min(right)))),
    ("list", |arguments| Ok(Value::Array(arguments.to_vec()))),
    ("until", until),
    ("default", default),
    ("ternary", ternary),
    ("env", |arguments| Ok(env::var(text(arguments, 0)?).unwrap_or_default().into())),
];

fn repeat(arguments: &[Value]) -> Returned {
    let (count, text) = (length(arguments, 0)?, text(arguments, 1)?);
    check_length(count.saturating_mul(text.len()))?;
    Ok(text.repeat(count).into())
}

fn replace(arguments: &[Value]) -> Returned {
    let (old, new, text) = (text(arguments, 0)?, text(arguments, 1)?, text(arguments, 2)?);
    check_length(text.len().saturating_mul(new.len().max(1)))?;
    Ok(text.replace(&old, &new).into())
}

/// The first characters, or the last ones for a negative length.
fn trunc(arguments: &[Value]) -> Returned {
    let (length, text) = (integer(arguments, 0)?, text(arguments, 1)?);
    let count = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    let skip = if length < 0 { text.chars().count().saturating_sub(count) } else { 0 };
    Ok(text.chars().skip(skip).take(count).collect::<String>().into())
}

fn join(arguments: &[Value]) -> Returned {
    let (separator, items) = (text(arguments, 0)?, list(arguments, 1)?);
    Ok(items.iter().map(format_value).collect::<Vec<_>>().join(&separator).into())
}

fn fold(arguments: &[Value], operation: fn(i64, i64) -> Option<i64>) -> Returned {
    let mut result = integer(arguments, 0)?;
    for index in 1..arguments.len() {
        result = operation(result, integer(arguments, index)?)
            .ok_or_else(|| error("the result is not an integer of 64 bits"))?;
    }
    Ok(result.into())
}

/// The integers from 0 up to the argument, without it.
fn until(arguments: &[Value]) -> Returned {
    Ok(Value::Array((0..length(arguments, 0)?).map(Value::from).collect()))
}

/// The second argument, or the first one if the second is missing or empty.
fn default(arguments: &[Value]) -> Returned {
    let fallback = value(arguments, 0)?;
    Ok(arguments.get(1).filter(|value| !is_empty(value)).unwrap_or(fallback).clone())
}

/// The first argument if the third is true, otherwise the second.
fn ternary(arguments: &[Value]) -> Returned {
    value(arguments, if is_empty(value(arguments, 2)?) { 1 } else { 0 }).cloned()
}

fn check_length(length: usize) -> Result<(), gtmpl_ng::FuncError> {
    if length > MAX_LENGTH { Err(error(format!("the result exceeds {MAX_LENGTH} bytes"))) } else { Ok(()) }
}
