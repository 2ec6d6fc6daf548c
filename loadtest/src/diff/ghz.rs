//! A report of ghz itself: its list of calls has the end and the latency of each call.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    pieces::{Piece, Pieces},
    run::{Run, RunKind},
};

/// Width of the pieces.
const PIECE_WIDTH: Duration = Duration::from_millis(250);

/// Maximum latency in nanoseconds: an hour.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// Maximum number of pieces: a run of 42 hours.
const MAX_PIECES: usize = 600_000;

/// The fields that are read of a report of ghz.
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

    /// The run that the list of calls describes. `None` if it has no calls, or an invalid time.
    pub(super) fn run(&self, call: String) -> Option<Run> {
        let details = self.details.as_deref().filter(|details| !details.is_empty())?;
        let ended: Vec<SystemTime> =
            details.iter().map(|detail| time(&detail.timestamp)).collect::<Option<_>>()?;
        let (first, last) = (ended.iter().min()?, ended.iter().max()?);
        let took = last.duration_since(*first).unwrap_or_default();
        let complete = usize::try_from(took.as_nanos() / PIECE_WIDTH.as_nanos()).unwrap_or(usize::MAX);
        let mut pieces = vec![Piece::default(); complete.min(MAX_PIECES)];
        let mut latencies = Histogram::new_with_bounds(1, MAX_LATENCY, 3).ok()?;
        for (detail, at) in details.iter().zip(&ended) {
            latencies.saturating_record(detail.latency.max(1));
            let index = at.duration_since(*first).unwrap_or_default().as_nanos() / PIECE_WIDTH.as_nanos();
            if let Some(piece) = usize::try_from(index).ok().and_then(|index| pieces.get_mut(index)) {
                piece.failed += u64::from(!detail.error.is_empty());
                piece.latencies.push((in_microseconds(&latencies, detail.latency), 1));
            }
        }
        let failed = details.iter().filter(|detail| !detail.error.is_empty()).count();
        Some(Run {
            kind: RunKind { call, open_loop: None },
            count: latencies.len(),
            failed: u64::try_from(failed).unwrap_or(u64::MAX),
            counted_for: took,
            latencies,
            pieces: Pieces::new(PIECE_WIDTH, &pieces),
        })
    }
}

/// A latency in microseconds, rounded to three digits to keep the number of distinct values small.
fn in_microseconds(latencies: &Histogram<u64>, nanoseconds: u64) -> u64 {
    (latencies.lowest_equivalent(nanoseconds.min(MAX_LATENCY)) / 1_000).max(1)
}

/// Parses a time in RFC 3339. The time zone is ignored: it is the same for all times, of which only differences are used.
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
    fn times_are_parsed_in_any_time_zone() {
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
