//! Numbers.

use gtmpl_ng::{Func, FuncError, Value};

use super::arguments::{LONGEST, Returned, integer, number, refused, value};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("add", (|given| folded(given, i64::checked_add)) as Func),
    ("add1", |given| checked(integer(given, 0)?.checked_add(1))),
    ("sub", |given| folded(given, i64::checked_sub)),
    ("mul", |given| folded(given, i64::checked_mul)),
    ("div", |given| folded(given, i64::checked_div)),
    ("mod", |given| folded(given, i64::checked_rem)),
    ("max", |given| folded(given, |left, right| Some(left.max(right)))),
    ("biggest", |given| folded(given, |left, right| Some(left.max(right)))),
    ("min", |given| folded(given, |left, right| Some(left.min(right)))),
    ("addf", |given| folded_floats(given, |left, right| left + right)),
    ("add1f", |given| Ok((number(given, 0)? + 1.0).into())),
    ("subf", |given| folded_floats(given, |left, right| left - right)),
    ("mulf", |given| folded_floats(given, |left, right| left * right)),
    ("divf", |given| folded_floats(given, |left, right| left / right)),
    ("maxf", |given| folded_floats(given, f64::max)),
    ("minf", |given| folded_floats(given, f64::min)),
    ("floor", |given| Ok(number(given, 0)?.floor().into())),
    ("ceil", |given| Ok(number(given, 0)?.ceil().into())),
    ("round", round),
    ("int", |given| Ok(integer(given, 0)?.into())),
    ("int64", |given| Ok(integer(given, 0)?.into())),
    ("atoi", |given| Ok(integer(given, 0)?.into())),
    ("float64", |given| Ok(number(given, 0)?.into())),
    ("until", |given| range(0, integer(given, 0)?, if integer(given, 0)? < 0 { -1 } else { 1 })),
    ("untilStep", |given| range(integer(given, 0)?, integer(given, 1)?, integer(given, 2)?)),
    ("seq", seq),
];

fn checked(result: Option<i64>) -> Returned {
    result.map(Value::from).ok_or_else(|| refused("the result is not a whole number of 64 bits"))
}

fn folded(given: &[Value], join: fn(i64, i64) -> Option<i64>) -> Returned {
    let mut result = integer(given, 0)?;
    for place in 1..given.len() {
        let joined = join(result, integer(given, place)?);
        result = joined.ok_or_else(|| refused("the result is not a whole number of 64 bits"))?;
    }
    Ok(result.into())
}

fn folded_floats(given: &[Value], join: fn(f64, f64) -> f64) -> Returned {
    let mut result = number(given, 0)?;
    for place in 1..given.len() {
        result = join(result, number(given, place)?);
    }
    Ok(result.into())
}

/// Rounds to so many digits after the point; half goes up.
fn round(given: &[Value]) -> Returned {
    let digits = if given.len() > 1 { integer(given, 1)? } else { 0 };
    let scale = 10f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
    Ok(((number(given, 0)? * scale).round() / scale).into())
}

/// From `start` up or down to, and without, `end`.
fn range(start: i64, end: i64, step: i64) -> Returned {
    let mut numbers: Vec<Value> = Vec::new();
    let mut next = start;
    while step != 0 && if step > 0 { next < end } else { next > end } {
        if numbers.len() == LONGEST {
            return Err(refused(format!("it would have more than {LONGEST} items")));
        }
        numbers.push(next.into());
        let Some(following) = next.checked_add(step) else { break };
        next = following;
    }
    Ok(Value::Array(numbers))
}

/// From the first to the last, both included, as text with spaces: what the shell's `seq` prints.
fn seq(given: &[Value]) -> Result<Value, FuncError> {
    value(given, 0)?;
    let (start, step, end) = match given.len() {
        1 => (1, 1, integer(given, 0)?),
        2 => (integer(given, 0)?, 1, integer(given, 1)?),
        _ => (integer(given, 0)?, integer(given, 1)?, integer(given, 2)?),
    };
    let step = if given.len() < 3 && end < start { -1 } else { step };
    match range(start, end.saturating_add(step.signum()), step)? {
        Value::Array(numbers) => {
            Ok(numbers.iter().map(Value::to_string).collect::<Vec<_>>().join(" ").into())
        }
        other => Ok(other),
    }
}
