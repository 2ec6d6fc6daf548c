//! Text.

use gtmpl_ng::{Func, Value};

use super::arguments::{LONGEST, Returned, amount, integer, printed, refused, text};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("trim", (|given| Ok(text(given, 0)?.trim().into())) as Func),
    ("trimAll", trim_all),
    ("trimPrefix", trim_prefix),
    ("trimSuffix", trim_suffix),
    ("upper", |given| Ok(text(given, 0)?.to_uppercase().into())),
    ("lower", |given| Ok(text(given, 0)?.to_lowercase().into())),
    ("title", |given| Ok(first_letters(&text(given, 0)?, char::to_ascii_uppercase).into())),
    ("untitle", |given| Ok(first_letters(&text(given, 0)?, char::to_ascii_lowercase).into())),
    ("repeat", repeat),
    ("substr", substr),
    ("nospace", |given| Ok(text(given, 0)?.split_whitespace().collect::<String>().into())),
    ("trunc", trunc),
    ("abbrev", abbrev),
    ("initials", |given| {
        Ok(text(given, 0)?
            .split_whitespace()
            .filter_map(|word| word.chars().next())
            .collect::<String>()
            .into())
    }),
    ("contains", |given| Ok(text(given, 1)?.contains(&text(given, 0)?).into())),
    ("hasPrefix", |given| Ok(text(given, 1)?.starts_with(&text(given, 0)?).into())),
    ("hasSuffix", |given| Ok(text(given, 1)?.ends_with(&text(given, 0)?).into())),
    ("quote", |given| Ok(each(given, |text| format!("{text:?}")).into())),
    ("squote", |given| Ok(each(given, |text| format!("'{text}'")).into())),
    ("cat", |given| Ok(each(given, |text| text).into())),
    ("replace", replace),
    ("indent", indent),
    ("nindent", |given| Ok(format!("\n{}", printed(&indent(given)?)).into())),
    ("snakecase", |given| Ok(words(&text(given, 0)?).join("_").into())),
    ("kebabcase", |given| Ok(words(&text(given, 0)?).join("-").into())),
    ("camelcase", |given| {
        Ok(words(&text(given, 0)?)
            .iter()
            .map(|word| first_letters(word, char::to_ascii_uppercase))
            .collect::<String>()
            .into())
    }),
    ("swapcase", |given| Ok(text(given, 0)?.chars().map(swapped).collect::<String>().into())),
    ("plural", plural),
    ("toString", |given| Ok(text(given, 0)?.into())),
];

fn trim_all(given: &[Value]) -> Returned {
    let letters = text(given, 0)?;
    Ok(text(given, 1)?.trim_matches(|letter| letters.contains(letter)).into())
}

fn trim_prefix(given: &[Value]) -> Returned {
    let (prefix, whole) = (text(given, 0)?, text(given, 1)?);
    Ok(whole.strip_prefix(&prefix).unwrap_or(&whole).into())
}

fn trim_suffix(given: &[Value]) -> Returned {
    let (suffix, whole) = (text(given, 0)?, text(given, 1)?);
    Ok(whole.strip_suffix(&suffix).unwrap_or(&whole).into())
}

/// Changes the first letter of every word.
fn first_letters(text: &str, change: fn(&char) -> char) -> String {
    let mut inside = false;
    text.chars()
        .map(|letter| {
            let first = !inside;
            inside = !letter.is_whitespace();
            if first { change(&letter) } else { letter }
        })
        .collect()
}

fn repeat(given: &[Value]) -> Returned {
    let (times, text) = (amount(given, 0)?, text(given, 1)?);
    if times.saturating_mul(text.len()) > LONGEST {
        return Err(refused(format!("it would be longer than {LONGEST} bytes")));
    }
    Ok(text.repeat(times).into())
}

fn substr(given: &[Value]) -> Returned {
    let (start, end, whole) = (integer(given, 0)?, integer(given, 1)?, text(given, 2)?);
    let start = usize::try_from(start).unwrap_or(0);
    // A negative end means all that follows.
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    Ok(whole.chars().skip(start).take(end.saturating_sub(start)).collect::<String>().into())
}

fn trunc(given: &[Value]) -> Returned {
    let (length, whole) = (integer(given, 0)?, text(given, 1)?);
    let amount = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if length < 0 { whole.chars().count().saturating_sub(amount) } else { 0 };
    Ok(whole.chars().skip(skipped).take(amount).collect::<String>().into())
}

fn abbrev(given: &[Value]) -> Returned {
    let (length, whole) = (amount(given, 0)?, text(given, 1)?);
    if length < 4 || whole.chars().count() <= length {
        return Ok(whole.into());
    }
    Ok(format!("{}...", whole.chars().take(length - 3).collect::<String>()).into())
}

/// Several values, with spaces between them.
fn each(given: &[Value], form: impl Fn(String) -> String) -> String {
    given.iter().map(|value| form(printed(value))).collect::<Vec<_>>().join(" ")
}

fn replace(given: &[Value]) -> Returned {
    let (old, new, whole) = (text(given, 0)?, text(given, 1)?, text(given, 2)?);
    if whole.len().saturating_mul(new.len().max(1)) > LONGEST {
        return Err(refused(format!("it may be longer than {LONGEST} bytes")));
    }
    Ok(whole.replace(&old, &new).into())
}

fn indent(given: &[Value]) -> Returned {
    let (width, whole) = (amount(given, 0)?, text(given, 1)?);
    let lines = whole.matches('\n').count() + 1;
    if lines.saturating_mul(width) > LONGEST {
        return Err(refused(format!("it would be longer than {LONGEST} bytes")));
    }
    let spaces = " ".repeat(width);
    Ok(whole.split('\n').map(|line| format!("{spaces}{line}")).collect::<Vec<_>>().join("\n").into())
}

/// The words of a name, in lower case: they are apart by their first capitals, or by what is no letter.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = ' ';
    for letter in name.chars() {
        if letter.is_alphanumeric() {
            let begins = !previous.is_alphanumeric() || (letter.is_uppercase() && !previous.is_uppercase());
            match words.last_mut().filter(|_| !begins) {
                Some(word) => word.extend(letter.to_lowercase()),
                None => words.push(letter.to_lowercase().collect()),
            }
        }
        previous = letter;
    }
    words
}

fn swapped(letter: char) -> char {
    if letter.is_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
}

fn plural(given: &[Value]) -> Returned {
    let place = if integer(given, 2)? == 1 { 0 } else { 1 };
    Ok(text(given, place)?.into())
}
