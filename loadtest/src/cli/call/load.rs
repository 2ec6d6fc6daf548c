//! The load of a run, from the settings.

use std::time::Duration;

use inrush_transport::Error;

use super::settings::{Concurrency, Schedule, Settings, StopAction};
use crate::{
    engine::{AtDuration, Load, Stop},
    go_duration::GoDuration,
    schedule::{ConcurrencySchedule, RateSchedule},
};

/// ghz's defaults.
pub(super) const TOTAL: u64 = 200;
pub(super) const WORKERS: u32 = 50;

/// The default limit of calls in flight: more than servers accept, and few enough for the memory of any machine.
const MAX_IN_FLIGHT: u32 = 100_000;

/// The load.
pub(super) fn of(settings: &Settings) -> Result<Load, Error> {
    let (load, extensions) = (&settings.load, &settings.extensions);
    let rate = rate(settings)?;
    let closed_loop = extensions.closed_loop.unwrap_or(false);
    let no_wait = load.r#async.unwrap_or(false);
    let max_in_flight = extensions.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
    if max_in_flight == 0 {
        return Err(Error::new("--max-in-flight is 0", "allow at least one call in flight"));
    }
    if closed_loop && no_wait {
        return Err(Error::new(
            "--closed-loop and --async contradict each other",
            "omit one: workers of a closed loop wait for their answers, --async does not",
        ));
    }
    let workers = workers(&settings.concurrency)?;
    match rate {
        None if closed_loop => Err(Error::new(
            "--closed-loop requires a rate",
            "set a rate with --rps or --load-schedule, or omit it: without a rate the loop is always closed",
        )),
        // Without planned times, the number of calls in flight is the only limit.
        None if no_wait => Ok(Load::Closed { workers: all_at_once(settings, max_in_flight), pace: None }),
        None => Ok(Load::Closed { workers, pace: None }),
        // A schedule of workers requests a closed loop.
        Some(pace) if closed_loop || (is_changing(&workers) && !no_wait) => {
            Ok(Load::Closed { workers, pace: Some(pace) })
        }
        Some(rate) => Ok(Load::Open { rate, max_in_flight }),
    }
}

/// The end of the run.
pub(super) fn stop(settings: &Settings) -> Stop {
    let load = &settings.load;
    let total = Some(load.total.unwrap_or(TOTAL)).filter(|total| *total > 0);
    let (max_duration, duration) = (positive(load.max_duration), positive(load.duration));
    let (calls, duration) = match (max_duration, duration) {
        (Some(max_duration), _) => (total, Some(max_duration)),
        (None, Some(duration)) => (None, Some(duration)),
        (None, None) => (total, None),
    };
    let at_duration = match load.duration_stop.unwrap_or_default() {
        StopAction::Close => AtDuration::Close,
        StopAction::Wait => AtDuration::Wait,
        StopAction::Ignore => AtDuration::Ignore,
    };
    Stop { calls, duration, at_duration }
}

/// A duration, unless it is missing or zero.
pub(super) fn positive(duration: Option<GoDuration>) -> Option<Duration> {
    duration.map(|duration| duration.0).filter(|duration| !duration.is_zero())
}

fn rate(settings: &Settings) -> Result<Option<RateSchedule>, Error> {
    let load = &settings.load;
    let schedule = load.load_schedule.unwrap_or_default();
    if schedule == Schedule::Const {
        let rate = load.rps.filter(|rate| *rate > 0);
        return Ok(rate.map(|rate| RateSchedule::Constant { rate: f64::from(rate) }));
    }
    let (start, end) = (load.load_start.unwrap_or(0), load.load_end.unwrap_or(0));
    let step = load.load_step.unwrap_or(0);
    check_schedule("load", start, end, i64::from(step))?;
    if start == 0 {
        return Err(Error::new("--load-start is missing", "set the calls per second at the start"));
    }
    let (start, step) = (f64::from(start), f64::from(step));
    let end = Some(end).filter(|end| *end > 0).map(f64::from);
    let until = positive(load.load_max_duration);
    Ok(Some(match schedule {
        Schedule::Step => {
            let every = require_step_duration("load", load.load_step_duration)?;
            RateSchedule::Step { start, step, every, end, until }
        }
        Schedule::Line | Schedule::Const => RateSchedule::Line { start, slope: step, end, until },
    }))
}

fn workers(settings: &Concurrency) -> Result<ConcurrencySchedule, Error> {
    let schedule = settings.concurrency_schedule.unwrap_or_default();
    if schedule == Schedule::Const {
        let workers = settings.concurrency.unwrap_or(WORKERS);
        if workers == 0 {
            return Err(Error::new("--concurrency is 0", "set at least one worker"));
        }
        return Ok(ConcurrencySchedule::Constant { workers });
    }
    let (start, end) = (settings.concurrency_start.unwrap_or(1), settings.concurrency_end.unwrap_or(0));
    let step = settings.concurrency_step.unwrap_or(1);
    check_schedule("concurrency", start, end, i64::from(step))?;
    let end = Some(end).filter(|end| *end > 0);
    let until = positive(settings.concurrency_max_duration);
    Ok(match schedule {
        Schedule::Step => {
            let every = require_step_duration("concurrency", settings.concurrency_step_duration)?;
            ConcurrencySchedule::Step { start, step, every, end, until }
        }
        Schedule::Line | Schedule::Const => ConcurrencySchedule::Line { start, slope: step, end, until },
    })
}

fn check_schedule(what: &str, start: u32, end: u32, step: i64) -> Result<(), Error> {
    if step == 0 {
        return Err(Error::new(
            format!("--{what}-step is missing or 0: the {what} schedule changes nothing"),
            format!("set the change, which may be negative, or omit --{what}-schedule"),
        ));
    }
    let never_reached = end > 0 && if step > 0 { end <= start } else { end >= start };
    if never_reached {
        return Err(Error::new(
            format!(
                "--{what}-end {end} is never reached from --{what}-start {start} by --{what}-step {step}"
            ),
            "set a final value that the steps reach, or omit it",
        ));
    }
    Ok(())
}

fn require_step_duration(what: &str, duration: Option<GoDuration>) -> Result<Duration, Error> {
    positive(duration).ok_or_else(|| {
        Error::new(
            format!("--{what}-step-duration is missing"),
            "set the duration of each step, or use the schedule line, which changes every second",
        )
    })
}

fn is_changing(workers: &ConcurrencySchedule) -> bool {
    !matches!(workers, ConcurrencySchedule::Constant { .. })
}

fn all_at_once(settings: &Settings, max_in_flight: u32) -> ConcurrencySchedule {
    let calls = stop(settings).calls.and_then(|calls| u32::try_from(calls).ok());
    ConcurrencySchedule::Constant { workers: calls.map_or(max_in_flight, |calls| calls.min(max_in_flight)) }
}
