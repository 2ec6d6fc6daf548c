//! A report of ghz itself, whose list of calls says when each ended and how long it took.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    pieces::{Piece, Pieces},
    run::{Kind, Run},
};

/// Width of the pieces that the list of calls is cut into.
const WIDTH: Duration = Duration::from_millis(250);

/// Longest latency that is told apart, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// More pieces than this are not made: a run of 42 hours.
const MOST_PIECES: usize = 600_000;

/// Fields of a report of ghz.
#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    details: Option<Vec<Detail>>,
}

#[derive(Deserialize)]
struct Detail {
    timestamp: String,
    latency: u64,
    #[serde(default)]
    error: String,
}

impl Fields {
    /// The method.
    pub(super) fn call(&self) -> &str {
        self.options.get("call").and_then(Value::as_str).unwrap_or_default()
    }

    /// The run that the list of calls tells of; none if it lists no calls, or their times cannot be read.
    pub(super) fn run(&self, call: String) -> Option<Run> {
        let details = self.details.as_deref().filter(|details| !details.is_empty())?;
        let ended: Vec<SystemTime> =
            details.iter().map(|detail| time(&detail.timestamp)).collect::<Option<_>>()?;
        let (first, last) = (ended.iter().min()?, ended.iter().max()?);
        let took = last.duration_since(*first).unwrap_or_default();
        let complete = usize::try_from(took.as_nanos() / WIDTH.as_nanos()).unwrap_or(usize::MAX);
        let mut pieces = vec![Piece::default(); complete.min(MOST_PIECES)];
        let mut latencies = Histogram::new_with_bounds(1, LONGEST, 3).ok()?;
        for (detail, at) in details.iter().zip(&ended) {
            latencies.saturating_record(detail.latency.max(1));
            let place = at.duration_since(*first).unwrap_or_default().as_nanos() / WIDTH.as_nanos();
            if let Some(piece) = usize::try_from(place).ok().and_then(|place| pieces.get_mut(place)) {
                piece.failed += u64::from(!detail.error.is_empty());
                piece.latencies.push((in_microseconds(&latencies, detail.latency), 1));
            }
        }
        let failed = details.iter().filter(|detail| !detail.error.is_empty()).count();
        Some(Run {
            kind: Kind { call, open_loop: None },
            count: latencies.len(),
            failed: u64::try_from(failed).unwrap_or(u64::MAX),
            counted_for: took,
            latencies,
            pieces: Pieces::new(WIDTH, &pieces),
        })
    }
}

/// The same microseconds for latencies that are the same to three digits, so that there are few different ones.
fn in_microseconds(latencies: &Histogram<u64>, nanoseconds: u64) -> u64 {
    (latencies.lowest_equivalent(nanoseconds.min(LONGEST)) / 1_000).max(1)
}

/// A time by RFC 3339. Times are only subtracted from each other, so that their zone, which is the same, does not
/// matter.
fn time(text: &str) -> Option<SystemTime> {
    let zone = text.char_indices().skip_while(|(_, character)| *character != 'T');
    let zone =
        zone.into_iter().find(|(_, character)| matches!(character, 'Z' | '+' | '-')).map(|(at, _)| at)?;
    humantime::parse_rfc3339(&format!("{}Z", text.get(..zone)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_zone() {
        let utc = time("2019-08-26T22:53:33.250Z").unwrap();
        let zoned = time("2019-08-26T22:53:33.5-04:00").unwrap();
        assert_eq!(zoned.duration_since(utc).unwrap(), Duration::from_millis(250));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn a_list_of_calls_is_cut_into_pieces() {
        let detail = |second: u64, error: &str| Detail {
            timestamp: format!("2019-08-26T22:53:{second:02}.1-04:00"),
            latency: 2_000_000,
            error: error.to_owned(),
        };
        let details = vec![detail(0, ""), detail(1, "broken"), detail(10, "")];
        let fields = Fields { options: Map::new(), details: Some(details) };
        let run = fields.run(String::new()).unwrap();
        assert_eq!((run.count, run.failed, run.pieces.len()), (3, 1, 40));
        assert_eq!(run.counted_for, Duration::from_secs(10));
    }
}
