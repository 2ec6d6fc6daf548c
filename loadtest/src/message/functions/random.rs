//! Functions whose result differs from call to call: the functions of ghz, and their counterparts in sprig.

use gtmpl_ng::{Func, Value};
use rand::RngExt as _;
use uuid::Builder;

use super::arguments::{Function, Returned, error, integer, length};

pub(super) const FUNCTIONS: &[Function] = &[
    ("newUUID", (|_| Ok(new_uuid().into())) as Func),
    ("randomString", random_string),
    ("randomInt", random_int),
    ("uuidv4", |_| Ok(new_uuid().into())),
    ("randInt", random_int),
    ("randAlpha", |arguments| Ok(draw(LETTERS, length(arguments, 0)?).into())),
    ("randNumeric", |arguments| Ok(draw(DIGITS, length(arguments, 0)?).into())),
    ("randAlphaNum", |arguments| Ok(draw(LETTERS_AND_DIGITS, length(arguments, 0)?).into())),
];

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const LETTERS_AND_DIGITS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Lengths that ghz chooses from if the length is 0.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=16;

/// A random UUID, from a fast generator: the random source of the system would cost more than a call.
pub(super) fn new_uuid() -> String {
    Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

fn random_string(arguments: &[Value]) -> Returned {
    let length = match length(arguments, 0)? {
        0 => rand::rng().random_range(LENGTHS),
        length => length,
    };
    Ok(draw(LETTERS_AND_DIGITS, length).into())
}

/// A number of the range that begins with the first argument and excludes the second.
fn random_int(arguments: &[Value]) -> Returned {
    let (low, high) = (integer(arguments, 0)?, integer(arguments, 1)?);
    if low >= high {
        return Err(error(format!("the range from {low} to {high} is empty")));
    }
    Ok(rand::rng().random_range(low..high).into())
}

fn draw(from: &[u8], length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(from[random.random_range(0..from.len())])).collect()
}
