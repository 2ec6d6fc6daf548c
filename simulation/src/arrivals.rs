//! When buyers arrive: at planned times, independent of slow answers.

use std::{fs, path::Path, time::Duration};

use inrush_transport::Error;

use crate::{buyer::Buyer, seeded_random::seeded_random};

/// The question of [`seeded_random`] that places a buyer within its part of the curve.
const PLACE: u32 = 0xA221;

/// Maximum length of a recording: a day.
const MAX_RECORDING_SECONDS: usize = 86_400;

/// Maximum number of buyers of a run: more do not fit the memory of one machine.
pub const MAX_BUYERS: u64 = 50_000_000;

/// How many buyers arrive when.
#[derive(Debug, Clone, PartialEq)]
pub enum Curve {
    /// The most at the opening, then half as many after every `half_life`.
    Spike {
        /// When the last one has arrived.
        within: Duration,
        /// When the rate has halved.
        half_life: Duration,
    },
    /// None at first, then more and more.
    Ramp {
        /// When the last one has arrived.
        within: Duration,
    },
    /// As many at any time.
    Constant {
        /// When the last one has arrived.
        within: Duration,
    },
    /// All at the opening, each held back until one of those before it has its answer: a closed loop.
    AtOnce {
        /// How many may wait for their first answer at the same time.
        limit: u32,
    },
    /// As in a recording, second by second.
    Recorded {
        /// How many had arrived by the end of each second.
        totals: Vec<u64>,
    },
}

/// The arrivals of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrivals {
    curve: Curve,
    buyers: Buyer,
    seed: u64,
}

impl Arrivals {
    /// `buyers` arrive along a curve.
    pub fn new(curve: Curve, buyers: Buyer, seed: u64) -> Self {
        Self { curve, buyers, seed }
    }

    /// When a buyer arrives, since the opening. Later buyers do not arrive earlier.
    ///
    /// Each buyer has an equal part of the curve and arrives somewhere within it: so the curve is followed closely, and
    /// arrivals are still not in step.
    pub fn of(&self, buyer: Buyer) -> Duration {
        let place = f64::from(buyer) + seeded_random(self.seed, PLACE, buyer);
        let part = (place / f64::from(self.buyers.max(1))).clamp(0.0, 1.0);
        self.curve.at(part)
    }

    /// How many buyers may wait for their first answer at the same time; none: any number, since they arrive at planned
    /// times.
    pub fn limit(&self) -> Option<u32> {
        match self.curve {
            Curve::AtOnce { limit } => Some(limit),
            Curve::Spike { .. } | Curve::Ramp { .. } | Curve::Constant { .. } | Curve::Recorded { .. } => {
                None
            }
        }
    }

    /// When the last one arrives, at the latest.
    pub fn end(&self) -> Duration {
        self.curve.at(1.0)
    }
}

impl Curve {
    /// When the share `part` of all buyers has arrived.
    fn at(&self, part: f64) -> Duration {
        match self {
            Self::Constant { within } => within.mul_f64(part),
            Self::Ramp { within } => within.mul_f64(part.sqrt()),
            Self::Spike { within, half_life } => spike(within.as_secs_f64(), half_life.as_secs_f64(), part),
            Self::AtOnce { .. } => Duration::ZERO,
            Self::Recorded { totals } => recorded(totals, part),
        }
    }
}

/// The inverse of the share of arrivals of an exponential decay by a time.
fn spike(within: f64, half_life: f64, part: f64) -> Duration {
    let decay = std::f64::consts::LN_2 / half_life.max(1e-6);
    let let_in = -(-decay * within).exp_m1();
    let time = -(-part * let_in).ln_1p() / decay;
    // The logarithm has no bound where nearly all have arrived.
    Duration::try_from_secs_f64(time.min(within)).unwrap_or_else(|_| Duration::from_secs_f64(within))
}

#[expect(clippy::cast_precision_loss, reason = "buyers are far fewer than 2⁵²")]
fn recorded(totals: &[u64], part: f64) -> Duration {
    let all = totals.last().copied().unwrap_or_default() as f64;
    let wanted = part * all;
    let second = totals.partition_point(|&total| (total as f64) < wanted);
    let before = second.checked_sub(1).and_then(|last| totals.get(last)).copied().unwrap_or_default() as f64;
    let during = totals.get(second).copied().unwrap_or_default() as f64 - before;
    let within = if during > 0.0 { (wanted - before) / during } else { 0.0 };
    Duration::from_secs_f64(second as f64 + within.clamp(0.0, 1.0))
}

/// Reads a recording: the arrivals of one second on each line, as the last of its fields. A first line without a
/// number is a heading. Returns the curve and the number of buyers.
///
/// # Errors
/// When the file cannot be read, or a line holds no count; the line is named.
pub fn read_recording(path: &Path) -> Result<(Curve, Buyer), Error> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(
            format!("cannot read {}: {error}", path.display()),
            "pass a CSV file with the arrivals of one second on each line",
        )
    })?;
    let mut totals = Vec::new();
    let mut total = 0_u64;
    for (index, line) in text.lines().enumerate() {
        let field = line.rsplit([',', ';', '\t']).next().unwrap_or_default().trim();
        let Ok(count) = field.parse::<u64>() else {
            if index == 0 || line.trim().is_empty() {
                continue;
            }
            return Err(Error::new(
                format!("{}:{}: {field:?} is not a number of arrivals", path.display(), index + 1),
                "write the arrivals of one second on each line, as a whole number, in the last field",
            ));
        };
        total = total.saturating_add(count);
        totals.push(total);
    }
    let buyers = Buyer::try_from(total).ok().filter(|_| (1..=MAX_BUYERS).contains(&total));
    match buyers {
        Some(buyers) if totals.len() <= MAX_RECORDING_SECONDS => Ok((Curve::Recorded { totals }, buyers)),
        _ => Err(Error::new(
            format!("{}: {total} arrivals in {} seconds", path.display(), totals.len()),
            format!("a recording has 1 to {MAX_BUYERS} arrivals in at most {MAX_RECORDING_SECONDS} seconds"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn counts(curve: Curve, buyers: Buyer, until: &[f64]) -> Vec<usize> {
        let arrivals = Arrivals::new(curve, buyers, 1);
        let times: Vec<Duration> = (0..buyers).map(|buyer| arrivals.of(buyer)).collect();
        assert!(times.is_sorted() && times.iter().all(|&time| time <= arrivals.end()));
        until.iter().map(|&end| times.iter().filter(|time| time.as_secs_f64() < end).count()).collect()
    }

    #[test]
    fn curves_have_their_shares_of_arrivals() {
        let near = |got: Vec<usize>, wanted: &[usize]| {
            assert!(got.iter().zip(wanted).all(|(got, wanted)| got.abs_diff(*wanted) <= 1), "{got:?}");
        };
        near(counts(Curve::Constant { within: TEN }, 1_000, &[1.0, 5.0, 10.0]), &[100, 500, 1_000]);
        near(counts(Curve::Ramp { within: TEN }, 1_000, &[1.0, 5.0]), &[10, 250]);
        let spike = Curve::Spike { within: TEN, half_life: Duration::from_secs(1) };
        // All but 2⁻¹⁰ come within ten half-lives, half of them in the first.
        near(counts(spike, 1_023, &[1.0, 2.0, 3.0]), &[512, 768, 896]);
    }

    #[test]
    fn at_once_is_bounded_by_a_number_and_not_by_time() {
        assert_eq!(counts(Curve::AtOnce { limit: 3 }, 10, &[0.001]), [10]);
        assert_eq!(Arrivals::new(Curve::AtOnce { limit: 3 }, 10, 1).limit(), Some(3));
        assert_eq!(Arrivals::new(Curve::Constant { within: TEN }, 10, 1).limit(), None);
    }

    #[test]
    fn a_recording_is_followed_second_by_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arrivals.csv");
        fs::write(&path, "second,arrivals\n0,10\n1,0\n2,30\n").unwrap();
        let (curve, buyers) = read_recording(&path).unwrap();
        assert_eq!(buyers, 40);
        assert_eq!(counts(curve, buyers, &[1.0, 2.0, 2.5, 3.1]), [10, 10, 25, 40]);
    }

    #[test]
    fn an_invalid_recording_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arrivals.csv");
        fs::write(&path, "10\nmany\n").unwrap();
        let error = read_recording(&path).unwrap_err();
        assert!(error.wrong().contains("arrivals.csv:2") && error.wrong().contains("many"), "{error}");
        fs::write(&path, "arrivals\n").unwrap();
        assert!(read_recording(&path).unwrap_err().wrong().contains("0 arrivals"));
        assert!(read_recording(&folder.path().join("none")).unwrap_err().wrong().contains("cannot read"));
    }
}
