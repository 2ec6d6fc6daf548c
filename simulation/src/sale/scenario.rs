//! The scenario of a sale: a file in TOML, overridden by flags.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use inrush_transport::Error;
use serde::{Deserialize, Serialize};

use crate::{
    arrivals::{Arrivals, Curve, MAX_BUYERS, read_recording},
    buyer::Buyer,
    nearest::nearest,
    order_system::{ModelSettings, OrderSystemSettings},
};

/// Maximum of the durations of a scenario.
const MAX_DURATION: Duration = Duration::from_secs(24 * 3_600);

/// Maximum number of waiting jobs of the order system, more than fulfilment ever sends.
const MAX_WAITING: usize = 1_000_000;

/// Credit of an order system in seconds of its capacity, enough that its workers never wait for the network.
const CREDIT_AHEAD: f64 = 0.1;

/// Bounds of the credit of the order system.
const CREDIT: std::ops::RangeInclusive<f64> = 64.0..=65_536.0;

/// A flash sale, and the buyers who come to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// How many buyers come.
    pub buyers: Buyer,
    /// How many units there are.
    pub units: u64,
    /// Maximum number of units in the queue; `None`: as many as there are. More makes a standby queue.
    pub cap: Option<u64>,
    /// How many units each buyer asks for.
    pub units_per_ticket: u64,
    /// Seed of the arrival times and of what each buyer does.
    pub seed: u64,
    /// How long one call may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// When buyers arrive.
    pub arrivals: ArrivalsTable,
    /// What buyers do.
    pub shares: Shares,
    /// When they do it.
    pub times: Times,
    /// The simulation's own order system.
    pub orders: Orders,
}

/// How many buyers arrive when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArrivalsTable {
    /// The shape.
    pub curve: CurveName,
    /// When the last one has arrived.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// In a spike: when the rate has halved.
    #[serde(with = "humantime_serde")]
    pub half_life: Duration,
    /// At once: how many buyers may wait for their first answer at the same time.
    pub at_once: u32,
    /// A recording: a CSV file with the arrivals of one second on each line. It decides how many buyers there are.
    pub file: Option<PathBuf>,
}

/// The shape of arrivals over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CurveName {
    /// The most at the opening, then half as many after every half-life.
    Spike,
    /// None at first, then more and more.
    Ramp,
    /// As many at any time.
    Constant,
    /// All at the opening, each held back until one of those before it has its answer.
    AtOnce,
    /// As in the file.
    Recorded,
}

/// Shares of buyers, from 0 to 1, who do more than ask once and wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Cancel while they wait.
    pub cancels: f64,
    /// Of those who cancelled: enqueue again.
    pub comes_back: f64,
    /// Send their request twice, as a double click does.
    pub repeats: f64,
    /// Repeat Enqueue while they wait, instead of polling.
    pub refreshers: f64,
    /// Poll more often than the server asks them to.
    pub impatient: f64,
    /// Call WatchStatus instead of polling.
    pub watchers: f64,
    /// Never pay: the order is released again.
    pub unpaid: f64,
}

/// The times of what buyers do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Times {
    /// Those who cancel do so within this time.
    #[serde(with = "humantime_serde")]
    pub cancel_within: Duration,
    /// How often refreshers ask again.
    #[serde(with = "humantime_serde")]
    pub refresh_every: Duration,
    /// How many times as often as asked the impatient poll.
    pub impatience: f64,
    /// When an order that is not paid is released.
    #[serde(with = "humantime_serde")]
    pub unpaid_after: Duration,
    /// How long a buyer stays; a buyer who leaves keeps the ticket and polls no more.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// A sale in which nothing moves for so long is stuck, and judged as it is.
    #[serde(with = "humantime_serde")]
    pub stuck_after: Duration,
}

/// The simulation's own order system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// How many orders it makes in a second.
    pub capacity: f64,
    /// How long each takes.
    #[serde(with = "humantime_serde")]
    pub latency: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            buyers: 20_000,
            units: 2_000,
            cap: None,
            units_per_ticket: 1,
            seed: 1,
            timeout: Duration::from_secs(10),
            arrivals: ArrivalsTable::default(),
            shares: Shares::default(),
            times: Times::default(),
            orders: Orders::default(),
        }
    }
}

impl Default for ArrivalsTable {
    fn default() -> Self {
        Self {
            curve: CurveName::Spike,
            within: Duration::from_secs(5),
            half_life: Duration::from_secs(1),
            at_once: 512,
            file: None,
        }
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            cancels: 0.03,
            comes_back: 0.5,
            repeats: 0.05,
            refreshers: 0.05,
            impatient: 0.05,
            watchers: 0.02,
            unpaid: 0.02,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            cancel_within: Duration::from_secs(1),
            refresh_every: Duration::from_secs(1),
            impatience: 4.0,
            unpaid_after: Duration::from_secs(1),
            patience: Duration::from_secs(3_600),
            stuck_after: Duration::from_secs(20),
        }
    }
}

impl Default for Orders {
    fn default() -> Self {
        Self { capacity: 1_000.0, latency: Duration::from_millis(20) }
    }
}

impl Scenario {
    /// Reads a file. Paths in it are taken from where it is.
    ///
    /// # Errors
    /// When it cannot be read or is invalid. The error has the line and, for an unknown key, the nearest known one.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(
                format!("--scenario: cannot read {}: {error}", path.display()),
                "give a TOML file; every key is optional",
            )
        })?;
        let mut scenario: Self = toml::from_str(&text).map_err(|error| misfit(path, &text, &error))?;
        if let (Some(file), Some(folder)) = (&scenario.arrivals.file, path.parent()) {
            scenario.arrivals.file = Some(folder.join(file));
        }
        Ok(scenario)
    }

    /// Checks every value, and reads the recording.
    ///
    /// # Errors
    /// When a value is out of range; it is named.
    pub fn plan(mut self) -> Result<(Self, Arrivals), Error> {
        let curve = self.curve()?;
        self.check()?;
        let arrivals = Arrivals::new(curve, self.buyers, self.seed);
        Ok((self, arrivals))
    }

    /// Maximum number of units in the queue.
    pub fn effective_cap(&self) -> u64 {
        self.cap.unwrap_or(self.units)
    }

    /// How our own order system is set up: enough workers for the capacity at the latency. It has no stock
    /// of its own, so that a queue that oversells is found.
    pub fn order_system(&self) -> OrderSystemSettings {
        let Orders { capacity, latency } = self.orders;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are checked to be in range, and rounded"
        )]
        let (workers, credit) = {
            let workers = (capacity * latency.as_secs_f64()).ceil().max(1.0);
            let credit = (2.0 * workers + capacity * CREDIT_AHEAD).clamp(*CREDIT.start(), *CREDIT.end());
            (workers as u32, credit as u32)
        };
        let service = Duration::from_secs_f64(f64::from(workers) / capacity);
        let model = ModelSettings {
            workers,
            service,
            look_up: service,
            contention: 0.0,
            most_waiting: MAX_WAITING,
            stock: None,
        };
        OrderSystemSettings { model, credit }
    }

    fn curve(&mut self) -> Result<Curve, Error> {
        let ArrivalsTable { curve, within, half_life, at_once, file } = &self.arrivals;
        if let Some(file) = file {
            let (curve, buyers) = read_recording(file)?;
            self.buyers = buyers;
            self.arrivals.curve = CurveName::Recorded;
            return Ok(curve);
        }
        let (within, half_life) = (*within, *half_life);
        match curve {
            CurveName::Spike => Ok(Curve::Spike { within, half_life }),
            CurveName::Ramp => Ok(Curve::Ramp { within }),
            CurveName::Constant => Ok(Curve::Constant { within }),
            CurveName::AtOnce => Ok(Curve::AtOnce { limit: *at_once }),
            CurveName::Recorded => Err(out_of_range(
                "arrivals.curve",
                "is `recorded`, but there is no recording",
                "name one with arrivals.file, or --arrivals FILE.csv",
            )),
        }
    }

    fn check(&self) -> Result<(), Error> {
        whole("buyers", u64::from(self.buyers), 1, MAX_BUYERS)?;
        whole("units", self.units, 1, 1_000_000_000)?;
        whole("units_per_ticket", self.units_per_ticket, 1, 1_000_000)?;
        whole("cap", self.effective_cap(), self.units, 1_000_000_000)?;
        duration("timeout", self.timeout, Duration::from_millis(10))?;
        duration("arrivals.within", self.arrivals.within, Duration::from_millis(1))?;
        whole("arrivals.at_once", u64::from(self.arrivals.at_once), 1, 1_000_000)?;
        duration("arrivals.half_life", self.arrivals.half_life, Duration::from_millis(1))?;
        let Shares { cancels, comes_back, repeats, refreshers, impatient, watchers, unpaid } = self.shares;
        let waiting = refreshers + impatient + watchers;
        for (name, share) in [
            ("shares.cancels", cancels),
            ("shares.comes_back", comes_back),
            ("shares.repeats", repeats),
            ("shares.refreshers", refreshers),
            ("shares.impatient", impatient),
            ("shares.watchers", watchers),
            ("shares.unpaid", unpaid),
            ("shares.refreshers, impatient and watchers together", waiting),
        ] {
            number(name, share, 0.0, 1.0)?;
        }
        duration("times.cancel_within", self.times.cancel_within, Duration::ZERO)?;
        duration("times.refresh_every", self.times.refresh_every, Duration::from_millis(1))?;
        number("times.impatience", self.times.impatience, 1.0, 1_000.0)?;
        duration("times.unpaid_after", self.times.unpaid_after, Duration::ZERO)?;
        duration("times.patience", self.times.patience, Duration::from_millis(1))?;
        duration("times.stuck_after", self.times.stuck_after, Duration::from_secs(1))?;
        number("orders.capacity", self.orders.capacity, 0.1, 1e6)?;
        duration("orders.latency", self.orders.latency, Duration::from_micros(1))?;
        let workers = self.orders.capacity * self.orders.latency.as_secs_f64();
        number("orders.capacity × orders.latency (concurrent orders)", workers, 0.0, 1e6)
    }
}

/// The error of serde or TOML with its line, and the nearest key if one is unknown.
fn misfit(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map_or(0, |before| before.matches('\n').count());
    let wrong = format!("{}:{}: {}", path.display(), line + 1, first_line(error.message()));
    let remedy = match nearest_key(error.message()) {
        Some(nearest) => format!("the nearest key is `{nearest}`"),
        None => "see the scenario in the documentation of `inrush-loadtest sale`".to_owned(),
    };
    Error::new(wrong, remedy)
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// Serde names the unknown key first and then all that it knows, each in backticks.
fn nearest_key(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    nearest(unknown, names)
}

fn whole(name: &str, value: u64, least: u64, most: u64) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(name, &format!("is {value}"), &format!("it must be {least} to {most}")))
}

fn number(name: &str, value: f64, least: f64, most: f64) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(name, &format!("is {value}"), &format!("it must be {least} to {most}")))
}

fn duration(name: &str, value: Duration, least: Duration) -> Result<(), Error> {
    if (least..=MAX_DURATION).contains(&value) {
        return Ok(());
    }
    let show = |duration| humantime::format_duration(duration).to_string();
    let rule = format!("it must be {} to {}", show(least), show(MAX_DURATION));
    Err(out_of_range(name, &format!("is {}", show(value)), &rule))
}

fn out_of_range(name: &str, what: &str, remedy: &str) -> Error {
    Error::new(format!("{name} {what}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        fs::write(&path, text).unwrap();
        Scenario::read(&path)
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let text = "buyers = 500\n[shares]\nunpaid = 0.5\n[times]\npatience = \"3s\"\n[arrivals]\ncurve = \"ramp\"\n";
        let scenario = read(text).unwrap();
        assert_eq!((scenario.buyers, scenario.shares.unpaid), (500, 0.5));
        assert_eq!(scenario.times.patience, Duration::from_secs(3));
        assert_eq!(scenario.arrivals.curve, CurveName::Ramp);
        assert_eq!(scenario.shares.repeats, Shares::default().repeats);
        assert!(scenario.plan().is_ok());
    }

    #[test]
    fn an_invalid_file_is_an_error_with_line_and_nearest_key() {
        let error = read("buyers = 500\n\n[shares]\nunpayed = 0.5\n").unwrap_err();
        assert!(error.wrong().contains("scenario.toml:4: unknown field `unpayed`"), "{error}");
        assert_eq!(error.remedy(), "the nearest key is `unpaid`");
        assert!(read("buyers = \"many\"").unwrap_err().wrong().contains(":1: invalid type"));
        assert!(read("= 3").unwrap_err().wrong().contains("scenario.toml:1"));
    }

    #[test]
    fn values_out_of_range_are_named() {
        let wrong = |change: fn(&mut Scenario)| {
            let mut scenario = Scenario::default();
            change(&mut scenario);
            scenario.plan().unwrap_err().wrong().to_owned()
        };
        assert_eq!(wrong(|scenario| scenario.buyers = 0), "buyers is 0");
        assert_eq!(wrong(|scenario| scenario.cap = Some(7)), "cap is 7");
        assert_eq!(wrong(|scenario| scenario.shares.cancels = -0.5), "shares.cancels is -0.5");
        assert_eq!(wrong(|scenario| scenario.timeout = Duration::ZERO), "timeout is 0s");
        assert!(wrong(|scenario| scenario.shares.refreshers = 0.99).contains("together is 1.06"));
        assert!(wrong(|scenario| scenario.arrivals.curve = CurveName::Recorded).contains("no recording"));
    }

    #[test]
    fn the_order_system_has_the_capacity_and_about_the_latency() {
        let settings = Scenario::default().order_system();
        assert!((settings.model.capacity() - 1_000.0).abs() < 1e-6);
        assert_eq!((settings.model.workers, settings.credit), (20, 140));
        let slow = Scenario {
            orders: Orders { capacity: 3.0, latency: Duration::from_millis(1) },
            ..Scenario::default()
        };
        assert!((slow.order_system().model.capacity() - 3.0).abs() < 1e-6);
        assert_eq!(slow.order_system().model.workers, 1);
    }
}
