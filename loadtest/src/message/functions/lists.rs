//! Lists.

use gtmpl_ng::{Func, Value};

use super::arguments::{LONGEST, Returned, list, printed, refused, text, value};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("list", (|given| Ok(Value::Array(given.to_vec()))) as Func),
    ("first", |given| Ok(list(given, 0)?.first().cloned().unwrap_or(Value::Nil))),
    ("last", |given| Ok(list(given, 0)?.last().cloned().unwrap_or(Value::Nil))),
    ("rest", |given| Ok(Value::Array(list(given, 0)?.iter().skip(1).cloned().collect()))),
    ("initial", |given| {
        Ok(Value::Array(list(given, 0)?.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default()))
    }),
    ("append", |given| joined(list(given, 0)?, &[value(given, 1)?.clone()])),
    ("prepend", |given| joined(&[value(given, 1)?.clone()], list(given, 0)?)),
    ("concat", concat),
    ("reverse", |given| Ok(Value::Array(list(given, 0)?.iter().rev().cloned().collect()))),
    ("uniq", |given| Ok(Value::Array(different(list(given, 0)?)))),
    ("without", |given| {
        Ok(Value::Array(list(given, 0)?.iter().filter(|item| !given[1..].contains(item)).cloned().collect()))
    }),
    ("has", |given| Ok(list(given, 1)?.contains(value(given, 0)?).into())),
    ("join", |given| {
        Ok(list(given, 1)?.iter().map(printed).collect::<Vec<_>>().join(&text(given, 0)?).into())
    }),
    ("splitList", |given| {
        Ok(text(given, 1)?.split(&text(given, 0)?).map(Value::from).collect::<Vec<_>>().into())
    }),
    ("sortAlpha", sorted),
];

fn joined(left: &[Value], right: &[Value]) -> Returned {
    if left.len() + right.len() > LONGEST {
        return Err(refused(format!("it would have more than {LONGEST} items")));
    }
    Ok(Value::Array([left, right].concat()))
}

fn concat(given: &[Value]) -> Returned {
    let mut all = Vec::new();
    for place in 0..given.len() {
        all.extend_from_slice(list(given, place)?);
    }
    joined(&all, &[])
}

fn different(items: &[Value]) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    for item in items {
        if !seen.contains(item) {
            seen.push(item.clone());
        }
    }
    seen
}

fn sorted(given: &[Value]) -> Returned {
    let mut items: Vec<String> = list(given, 0)?.iter().map(printed).collect();
    items.sort();
    Ok(items.into_iter().map(Value::from).collect::<Vec<_>>().into())
}
