//! Reads the arguments of a template function.

use gtmpl_ng::{Func, FuncError, NumberKind, Value};

/// A function and its name.
pub(super) type Function = (&'static str, Func);

/// What a function returns.
pub(super) type Returned = Result<Value, FuncError>;

/// Maximum length of a text or list that a function returns, so that a mistake in a template does not exhaust the
/// memory.
pub(super) const MAX_LENGTH: usize = 1_000_000;

/// An error with a text.
pub(super) fn error(text: impl Into<String>) -> FuncError {
    FuncError::Generic(text.into())
}

/// Argument `index`, from 0.
pub(super) fn value(arguments: &[Value], index: usize) -> Result<&Value, FuncError> {
    arguments.get(index).ok_or_else(|| error(format!("at least {} arguments are required", index + 1)))
}

/// Argument `index` as text. Other values are formatted.
pub(super) fn text(arguments: &[Value], index: usize) -> Result<String, FuncError> {
    value(arguments, index).map(format_value)
}

/// A value as text.
pub(super) fn format_value(value: &Value) -> String {
    match value {
        Value::NoValue | Value::Nil => String::new(),
        value => value.to_string(),
    }
}

/// Argument `index` as an integer. Text is parsed.
pub(super) fn integer(arguments: &[Value], index: usize) -> Result<i64, FuncError> {
    let argument = value(arguments, index)?;
    let parsed = match argument {
        Value::Number(number) => match number.kind() {
            NumberKind::Unsigned(number) => i64::try_from(number).ok(),
            NumberKind::Signed(number) => Some(number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the fraction is cut off, as in Go; out of range values saturate"
            )]
            NumberKind::Float(number) => Some(number as i64),
        },
        Value::Bool(value) => Some(i64::from(*value)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| error(format!("argument {} is {argument}: expected an integer", index + 1)))
}

/// Argument `index` as a number of characters or items to return.
pub(super) fn length(arguments: &[Value], index: usize) -> Result<usize, FuncError> {
    let argument = integer(arguments, index)?.max(0);
    usize::try_from(argument)
        .ok()
        .filter(|length| *length <= MAX_LENGTH)
        .ok_or_else(|| error(format!("argument {} is {argument}: the maximum is {MAX_LENGTH}", index + 1)))
}

/// Argument `index` as a list.
pub(super) fn list(arguments: &[Value], index: usize) -> Result<&[Value], FuncError> {
    match value(arguments, index)? {
        Value::Array(items) => Ok(items),
        other => Err(error(format!("argument {} is {other}: expected a list", index + 1))),
    }
}

/// Whether a value is false, 0, or empty.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::NoValue | Value::Nil => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Map(entries) | Value::Object(entries) => entries.is_empty(),
        Value::Function(_) => false,
        Value::Number(number) => match number.kind() {
            NumberKind::Unsigned(number) => number == 0,
            NumberKind::Signed(number) => number == 0,
            NumberKind::Float(number) => number == 0.0,
        },
    }
}
