//! Times by an example: Go shows how a time is to be written by writing `Mon Jan 2 15:04:05 2006`.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A part of the example, and what it stands for. Where one begins another, the longer comes first.
const PARTS: [(&str, Part); 24] = [
    ("January", Part::MonthName { letters: 9 }),
    ("Jan", Part::MonthName { letters: 3 }),
    ("Monday", Part::DayName { letters: 9 }),
    ("Mon", Part::DayName { letters: 3 }),
    ("MST", Part::Fixed("UTC")),
    ("2006", Part::Number { field: Field::Year, width: 4, space: false }),
    ("Z07:00", Part::Fixed("Z")),
    ("-07:00", Part::Fixed("+00:00")),
    ("-0700", Part::Fixed("+0000")),
    ("01", Part::Number { field: Field::Month, width: 2, space: false }),
    ("02", Part::Number { field: Field::Day, width: 2, space: false }),
    ("03", Part::Number { field: Field::HalfHour, width: 2, space: false }),
    ("04", Part::Number { field: Field::Minute, width: 2, space: false }),
    ("05", Part::Number { field: Field::Second, width: 2, space: false }),
    ("06", Part::Number { field: Field::ShortYear, width: 2, space: false }),
    ("15", Part::Number { field: Field::Hour, width: 2, space: false }),
    ("_2", Part::Number { field: Field::Day, width: 2, space: true }),
    ("PM", Part::HalfOfDay { upper: true }),
    ("pm", Part::HalfOfDay { upper: false }),
    ("1", Part::Number { field: Field::Month, width: 1, space: false }),
    ("2", Part::Number { field: Field::Day, width: 1, space: false }),
    ("3", Part::Number { field: Field::HalfHour, width: 1, space: false }),
    ("4", Part::Number { field: Field::Minute, width: 1, space: false }),
    ("5", Part::Number { field: Field::Second, width: 1, space: false }),
];

#[derive(Debug, Clone, Copy)]
enum Part {
    MonthName { letters: usize },
    DayName { letters: usize },
    Number { field: Field, width: usize, space: bool },
    HalfOfDay { upper: bool },
    Fixed(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    HalfHour,
    Minute,
    Second,
}

/// A time as the layout shows it, in UTC; none before 1970 and after 9999.
pub fn format(layout: &str, time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let mut plain = String::new();
    write!(plain, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    let number = |from: usize, to: usize| plain.get(from..to).and_then(|digits| digits.parse::<usize>().ok());
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // The first of January 1970 was a Thursday.
    let weekday = usize::try_from((seconds / 86_400 + 4) % 7).ok()?;
    let mut written = String::new();
    each_part(layout, |part| {
        match part {
            Err(letter) => written.push(letter),
            Ok(Part::Fixed(text)) => written.push_str(text),
            Ok(Part::MonthName { letters }) => written.extend(MONTHS.get(month - 1)?.chars().take(letters)),
            Ok(Part::DayName { letters }) => written.extend(DAYS.get(weekday)?.chars().take(letters)),
            Ok(Part::HalfOfDay { upper }) => written.push_str(match (hour < 12, upper) {
                (true, true) => "AM",
                (true, false) => "am",
                (false, true) => "PM",
                (false, false) => "pm",
            }),
            Ok(Part::Number { field, width, space }) => {
                let value = match field {
                    Field::Year => year,
                    Field::ShortYear => year % 100,
                    Field::Month => month,
                    Field::Day => day,
                    Field::Hour => hour,
                    Field::HalfHour => (hour + 11) % 12 + 1,
                    Field::Minute => minute,
                    Field::Second => second,
                };
                let padded = if space {
                    write!(written, "{value:width$}")
                } else {
                    write!(written, "{value:0width$}")
                };
                padded.ok()?;
            }
        }
        Some(())
    })?;
    Some(written)
}

/// The time in a text that looks like the layout, in UTC; none if it does not. What is not in it is the earliest.
pub fn parse(layout: &str, text: &str) -> Option<SystemTime> {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    let (mut hour, mut minute, mut second, mut afternoon) = (0, 0, 0, false);
    let mut rest = text;
    each_part(layout, |part| {
        match part {
            Err(letter) => rest = rest.strip_prefix(letter)?,
            Ok(Part::Fixed(fixed)) => rest = rest.strip_prefix(fixed)?,
            Ok(Part::MonthName { letters }) => month = 1 + take_name(&mut rest, &MONTHS, letters)?,
            Ok(Part::DayName { letters }) => {
                take_name(&mut rest, &DAYS, letters)?;
            }
            Ok(Part::HalfOfDay { .. }) => {
                let (half, after) = rest.split_at_checked(2)?;
                afternoon = half.eq_ignore_ascii_case("pm");
                rest = after;
            }
            Ok(Part::Number { field, width, .. }) => {
                let value = take_number(&mut rest, width.max(2))?;
                match field {
                    Field::Year => year = value,
                    Field::ShortYear => year = if value < 69 { 2000 + value } else { 1900 + value },
                    Field::Month => month = value,
                    Field::Day => day = value,
                    Field::Hour => hour = value,
                    Field::HalfHour => hour = value % 12,
                    Field::Minute => minute = value,
                    Field::Second => second = value,
                }
            }
        }
        Some(())
    })?;
    if !rest.is_empty() {
        return None;
    }
    if afternoon && hour < 12 {
        hour += 12;
    }
    let plain = format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
    let day = humantime::parse_rfc3339(&plain).ok()?;
    let within = u64::try_from(hour * 3600 + minute * 60 + second).ok()?;
    (hour < 24 && minute < 60 && second < 60).then(|| day + Duration::from_secs(within))
}

/// Shows every part of a layout, or letter between parts, until one is refused.
fn each_part(layout: &str, mut see: impl FnMut(Result<Part, char>) -> Option<()>) -> Option<()> {
    let mut rest = layout;
    while let Some(letter) = rest.chars().next() {
        let part = PARTS.into_iter().find_map(|(name, part)| Some((rest.strip_prefix(name)?, part)));
        match part {
            Some((after, part)) => {
                rest = after;
                see(Ok(part))?;
            }
            None => {
                rest = &rest[letter.len_utf8()..];
                see(Err(letter))?;
            }
        }
    }
    Some(())
}

fn take_name(rest: &mut &str, names: &[&str], letters: usize) -> Option<usize> {
    let (place, after) = names
        .iter()
        .enumerate()
        .find_map(|(place, name)| Some((place, rest.strip_prefix(&name[..letters.min(name.len())])?)))?;
    *rest = after;
    Some(place)
}

fn take_number(rest: &mut &str, most: usize) -> Option<usize> {
    let start = rest.trim_start_matches(' ');
    let digits = start.chars().take(most).take_while(char::is_ascii_digit).count();
    let (number, after) = start.split_at(digits);
    *rest = after;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_second_can_be_read_again(seconds in 0..253_402_300_800_u64) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            for layout in ["2006-01-02T15:04:05Z07:00", "Mon Jan _2 03:04:05PM 2006"] {
                let written = format(layout, time).unwrap();
                prop_assert_eq!(parse(layout, &written), Some(time), "{}", written);
            }
        }

        #[test]
        fn no_text_breaks_it(layout in "([0-9_ :-]|Jan|Monday|PM|2006|\\PC){0,20}", text in "\\PC{0,20}", seconds: u64) {
            let _ = parse(&layout, &text);
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            let _ = time.and_then(|time| format(&layout, time));
        }
    }

    /// 2026-11-22 20:05:09 UTC, a Sunday.
    fn evening() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_377_909)
    }

    #[test]
    fn layouts_of_go_are_understood() {
        let cases = [
            ("2006-01-02T15:04:05Z07:00", "2026-11-22T20:05:09Z"),
            ("Mon Jan _2 15:04:05 2006", "Sun Nov 22 20:05:09 2026"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Sunday, 22-Nov-26 20:05:09 UTC"),
            ("3:04PM", "8:05PM"),
            ("1/2/06 at 03h", "11/22/26 at 08h"),
            ("", ""),
        ];
        for (layout, written) in cases {
            assert_eq!(format(layout, evening()).as_deref(), Some(written), "{layout}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for layout in ["2006-01-02 15:04:05", "Mon Jan _2 03:04:05PM 2006", "2006-01-02T15:04:05Z07:00"] {
            let written = format(layout, evening()).unwrap();
            assert_eq!(parse(layout, &written), Some(evening()), "{written}");
        }
    }

    #[test]
    fn what_does_not_fit_the_layout_is_refused() {
        for text in ["", "2026-11", "2026-11-22x", "2026-13-01", "22-11-2026"] {
            assert_eq!(parse("2006-01-02", text), None, "{text}");
        }
    }
}
