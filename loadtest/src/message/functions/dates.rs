//! Dates and times, in UTC. A time is text as in RFC 3339; where one is expected, seconds since 1970 are one as well.

use std::time::{Duration, SystemTime};

use gtmpl_ng::{Func, FuncError, NumberKind, Value};

use super::arguments::{Returned, printed, refused, text, value};
use crate::go_time::{self, GoDuration};

pub(super) const FUNCTIONS: &[super::Named] = &[
    ("now", (|_| Ok(written(SystemTime::now()))) as Func),
    ("date", |given| go_time::format(&text(given, 0)?, time(given, 1)?).map(Value::from).ok_or_else(too_far)),
    ("toDate", |given| {
        go_time::parse(&text(given, 0)?, &text(given, 1)?)
            .map(written)
            .ok_or_else(|| refused("the text is not of this form"))
    }),
    ("unixEpoch", unix_epoch),
    ("dateModify", date_modify),
    ("date_modify", date_modify),
];

fn written(time: SystemTime) -> Value {
    humantime::format_rfc3339_nanos(time).to_string().into()
}

fn time(given: &[Value], place: usize) -> Result<SystemTime, FuncError> {
    let given = value(given, place)?;
    let wrong = || refused(format!("argument {} is {given}, and not a time", place + 1));
    match given {
        Value::Number(seconds) => match seconds.kind() {
            NumberKind::Unsigned(seconds) => {
                SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(wrong)
            }
            NumberKind::Signed(_) | NumberKind::Float(_) => Err(wrong()),
        },
        text => humantime::parse_rfc3339_weak(&printed(text)).map_err(|_| wrong()),
    }
}

fn unix_epoch(given: &[Value]) -> Returned {
    let since = time(given, 0)?.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| too_far())?;
    Ok(since.as_secs().to_string().into())
}

fn date_modify(given: &[Value]) -> Returned {
    let (change, time) = (text(given, 0)?, time(given, 1)?);
    let (back, amount) = match change.strip_prefix('-') {
        Some(amount) => (true, amount),
        None => (false, change.trim_start_matches('+')),
    };
    let GoDuration(amount) = amount.parse().map_err(|error| refused(format!("{error}")))?;
    let changed = if back { time.checked_sub(amount) } else { time.checked_add(amount) };
    // Years that the form has no room for.
    let changed = changed.filter(|time| go_time::format("2006", *time).is_some());
    changed.map(written).ok_or_else(too_far)
}

fn too_far() -> FuncError {
    refused("only times from 1970 to 9999 are known")
}
