//! What a function is given.

use gtmpl_ng::{FuncError, NumberKind, Value};

/// What a function returns.
pub(super) type Returned = Result<Value, FuncError>;

/// Longest text or list that a function makes: a slip in a template must not eat the memory of the machine.
pub(super) const LONGEST: usize = 1_000_000;

/// An error with a text of its own.
pub(super) fn refused(text: impl Into<String>) -> FuncError {
    FuncError::Generic(text.into())
}

/// Argument number `place`, from 0.
pub(super) fn value(arguments: &[Value], place: usize) -> Result<&Value, FuncError> {
    arguments.get(place).ok_or_else(|| refused(format!("it needs at least {} arguments", place + 1)))
}

/// The same as text. What is no text is printed.
pub(super) fn text(arguments: &[Value], place: usize) -> Result<String, FuncError> {
    value(arguments, place).map(printed)
}

/// A value as text.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::NoValue | Value::Nil => String::new(),
        value => value.to_string(),
    }
}

/// The same as a whole number. Text is read as one.
pub(super) fn integer(arguments: &[Value], place: usize) -> Result<i64, FuncError> {
    let given = value(arguments, place)?;
    whole(given).ok_or_else(|| refused(format!("argument {} is {given}, and not a whole number", place + 1)))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => match number.kind() {
            NumberKind::Unsigned(number) => i64::try_from(number).ok(),
            NumberKind::Signed(number) => Some(number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a part of one is cut off, as in Go; the rest saturates"
            )]
            NumberKind::Float(number) => Some(number as i64),
        },
        Value::Bool(yes) => Some(i64::from(*yes)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The same as a number.
pub(super) fn number(arguments: &[Value], place: usize) -> Result<f64, FuncError> {
    let given = value(arguments, place)?;
    let number = match given {
        Value::Number(number) => match number.kind() {
            #[expect(clippy::cast_precision_loss, reason = "what Go's float64() does")]
            NumberKind::Unsigned(number) => Some(number as f64),
            #[expect(clippy::cast_precision_loss, reason = "what Go's float64() does")]
            NumberKind::Signed(number) => Some(number as f64),
            NumberKind::Float(number) => Some(number),
        },
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| refused(format!("argument {} is {given}, and not a number", place + 1)))
}

/// The same as how many characters or items to make.
pub(super) fn amount(arguments: &[Value], place: usize) -> Result<usize, FuncError> {
    let given = integer(arguments, place)?.max(0);
    usize::try_from(given)
        .ok()
        .filter(|amount| *amount <= LONGEST)
        .ok_or_else(|| refused(format!("argument {} is {given}, and at most {LONGEST} are made", place + 1)))
}

/// The same as a list.
pub(super) fn list(arguments: &[Value], place: usize) -> Result<&[Value], FuncError> {
    match value(arguments, place)? {
        Value::Array(items) => Ok(items),
        other => Err(refused(format!("argument {} is {other}, and not a list", place + 1))),
    }
}

/// Whether a value counts as nothing: false, 0, or empty.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::NoValue | Value::Nil => true,
        Value::Bool(yes) => !yes,
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
