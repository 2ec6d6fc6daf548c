//! Values that differ from call to call.

use gtmpl_ng::{Func, FuncError, Value};
use rand::RngExt as _;
use uuid::Builder;

use super::arguments::{Returned, amount, integer, refused};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("newUUID", uuid as Func),
    ("randomString", random_string),
    ("randomInt", random_int),
    ("uuidv4", uuid),
    ("randInt", random_int),
    ("randAlpha", letters),
    ("randNumeric", digits),
    ("randAlphaNum", letters_and_digits),
    ("randAscii", printable),
    ("shuffle", shuffle),
];

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const LETTERS_AND_DIGITS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Lengths that ghz chooses from where none is given.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=16;

/// A random id. Not from the system's source of randomness, which costs more than a call.
pub(in crate::message) fn new_uuid() -> String {
    Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

fn uuid(_: &[Value]) -> Returned {
    Ok(new_uuid().into())
}

fn random_string(arguments: &[Value]) -> Returned {
    let length = match amount(arguments, 0)? {
        0 => rand::rng().random_range(LENGTHS),
        length => length,
    };
    Ok(draw(LETTERS_AND_DIGITS, length).into())
}

/// From the first up to, and without, the second.
fn random_int(arguments: &[Value]) -> Returned {
    let (low, high) = (integer(arguments, 0)?, integer(arguments, 1)?);
    if low >= high {
        return Err(refused(format!("there is no number from {low} up to, and without, {high}")));
    }
    Ok(rand::rng().random_range(low..high).into())
}

fn letters(arguments: &[Value]) -> Returned {
    amount(arguments, 0).map(|length| draw(LETTERS, length).into())
}

fn digits(arguments: &[Value]) -> Returned {
    amount(arguments, 0).map(|length| draw(DIGITS, length).into())
}

fn letters_and_digits(arguments: &[Value]) -> Returned {
    amount(arguments, 0).map(|length| draw(LETTERS_AND_DIGITS, length).into())
}

fn printable(arguments: &[Value]) -> Returned {
    let all: Vec<u8> = (b' '..=b'~').collect();
    amount(arguments, 0).map(|length| draw(&all, length).into())
}

fn draw(from: &[u8], length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(from[random.random_range(0..from.len())])).collect()
}

fn shuffle(arguments: &[Value]) -> Result<Value, FuncError> {
    let mut letters: Vec<char> = super::arguments::text(arguments, 0)?.chars().collect();
    let mut random = rand::rng();
    for place in (1..letters.len()).rev() {
        letters.swap(place, random.random_range(0..=place));
    }
    Ok(letters.into_iter().collect::<String>().into())
}
