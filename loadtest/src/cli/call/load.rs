//! When calls are made, from the settings.

use std::time::Duration;

use super::settings::{Concurrency, Schedule, Settings, StopAction};
use crate::{
    engine::{AtDuration, Load, Stop},
    go_duration::GoDuration,
    problem::Problem,
    schedule::{ConcurrencySchedule, RateSchedule},
};

/// ghz's defaults.
pub(super) const TOTAL: u64 = 200;
pub(super) const WORKERS: u32 = 50;

/// Calls in flight where no limit is given: more than servers take, and few enough for the memory of any machine.
const MAX_IN_FLIGHT: u32 = 100_000;

/// When calls are made.
pub(super) fn of(settings: &Settings) -> Result<Load, Problem> {
    let (load, own) = (&settings.load, &settings.own);
    let rate = rate(settings)?;
    let closed_loop = own.closed_loop.unwrap_or(false);
    let at_once = load.r#async.unwrap_or(false);
    let max_in_flight = own.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
    if max_in_flight == 0 {
        return Err(Problem::new("--max-in-flight 0 allows no call", "allow at least one"));
    }
    if closed_loop && at_once {
        return Err(Problem::new(
            "--closed-loop and --async contradict each other",
            "leave one out: workers of a closed loop wait for their answers, --async does not wait",
        ));
    }
    let workers = workers(&settings.concurrency)?;
    match rate {
        None if closed_loop => Err(Problem::new(
            "--closed-loop is given without a rate",
            "give a rate with --rps or --load-schedule, or leave it out: without a rate the loop is closed anyway",
        )),
        // Nothing says when calls are due: as many as may be are in flight.
        None if at_once => Ok(Load::Closed { workers: everyone(settings, max_in_flight), pace: None }),
        None => Ok(Load::Closed { workers, pace: None }),
        // Workers that change in number say that workers are what is meant.
        Some(pace) if closed_loop || (is_changing(&workers) && !at_once) => {
            Ok(Load::Closed { workers, pace: Some(pace) })
        }
        Some(rate) => Ok(Load::Open { rate, max_in_flight }),
    }
}

/// When no more calls are made.
pub(super) fn stop(settings: &Settings) -> Stop {
    let load = &settings.load;
    let total = Some(load.total.unwrap_or(TOTAL)).filter(|total| *total > 0);
    let (most, duration) = (positive(load.max_duration), positive(load.duration));
    let (calls, duration) = match (most, duration) {
        (Some(most), _) => (total, Some(most)),
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

/// A duration that is given, and not zero.
pub(super) fn positive(duration: Option<GoDuration>) -> Option<Duration> {
    duration.map(|given| given.0).filter(|duration| !duration.is_zero())
}

fn rate(settings: &Settings) -> Result<Option<RateSchedule>, Problem> {
    let load = &settings.load;
    let schedule = load.load_schedule.unwrap_or_default();
    if schedule == Schedule::Const {
        let rate = load.rps.filter(|rate| *rate > 0);
        return Ok(rate.map(|rate| RateSchedule::Constant { rate: f64::from(rate) }));
    }
    let (start, end) = (load.load_start.unwrap_or(0), load.load_end.unwrap_or(0));
    let step = load.load_step.unwrap_or(0);
    check("load", start, end, i64::from(step))?;
    if start == 0 {
        return Err(Problem::new("--load-start is missing", "give the calls per second to start with"));
    }
    let (start, step) = (f64::from(start), f64::from(step));
    let end = Some(end).filter(|end| *end > 0).map(f64::from);
    let until = positive(load.load_max_duration);
    Ok(Some(match schedule {
        Schedule::Step => {
            let every = step_duration("load", load.load_step_duration)?;
            RateSchedule::Step { start, step, every, end, until }
        }
        Schedule::Line | Schedule::Const => RateSchedule::Line { start, slope: step, end, until },
    }))
}

fn workers(given: &Concurrency) -> Result<ConcurrencySchedule, Problem> {
    let schedule = given.concurrency_schedule.unwrap_or_default();
    if schedule == Schedule::Const {
        let workers = given.concurrency.unwrap_or(WORKERS);
        if workers == 0 {
            return Err(Problem::new("--concurrency 0 makes no calls", "have at least one worker"));
        }
        return Ok(ConcurrencySchedule::Constant { workers });
    }
    let (start, end) = (given.concurrency_start.unwrap_or(1), given.concurrency_end.unwrap_or(0));
    let step = given.concurrency_step.unwrap_or(1);
    check("concurrency", start, end, i64::from(step))?;
    let end = Some(end).filter(|end| *end > 0);
    let until = positive(given.concurrency_max_duration);
    Ok(match schedule {
        Schedule::Step => {
            let every = step_duration("concurrency", given.concurrency_step_duration)?;
            ConcurrencySchedule::Step { start, step, every, end, until }
        }
        Schedule::Line | Schedule::Const => ConcurrencySchedule::Line { start, slope: step, end, until },
    })
}

fn check(what: &str, start: u32, end: u32, step: i64) -> Result<(), Problem> {
    if step == 0 {
        return Err(Problem::new(
            format!("--{what}-step is missing or 0, so the {what} schedule changes nothing"),
            format!("give the change, which may be negative, or leave --{what}-schedule out"),
        ));
    }
    let away = end > 0 && if step > 0 { end <= start } else { end >= start };
    if away {
        return Err(Problem::new(
            format!("--{what}-step {step} never leads from --{what}-start {start} to --{what}-end {end}"),
            "give an end that the steps lead to, or leave it out",
        ));
    }
    Ok(())
}

fn step_duration(what: &str, given: Option<GoDuration>) -> Result<Duration, Problem> {
    positive(given).ok_or_else(|| {
        Problem::new(
            format!("--{what}-step-duration is missing"),
            "say how long each step lasts, or use the schedule line, which changes every second",
        )
    })
}

fn is_changing(workers: &ConcurrencySchedule) -> bool {
    !matches!(workers, ConcurrencySchedule::Constant { .. })
}

fn everyone(settings: &Settings, max_in_flight: u32) -> ConcurrencySchedule {
    let calls = stop(settings).calls.and_then(|calls| u32::try_from(calls).ok());
    ConcurrencySchedule::Constant { workers: calls.map_or(max_in_flight, |calls| calls.min(max_in_flight)) }
}
