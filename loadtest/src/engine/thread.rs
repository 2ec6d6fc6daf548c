//! One thread of a run: a single-threaded runtime with connections of its own.

use std::{
    io,
    pin::pin,
    rc::Rc,
    sync::{Arc, mpsc::SyncSender},
};

use inrush_report::measure::Results;
use inrush_transport::{Error, Head, Link, TlsConnector};
use tokio::{
    runtime::Builder,
    task::{JoinSet, LocalSet, spawn_local},
    time::sleep_until,
};

use super::{
    calls::{Calls, Event},
    closed, open,
    plan::{AtDuration, Load},
    shared::{Shared, Sources},
};

/// Runs on the current thread until its calls have ended.
pub(super) fn run(
    index: usize,
    shared: &Arc<Shared>,
    sources: Sources<'_>,
    events: &SyncSender<Event>,
) -> Result<Results, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| no_runtime(&error));
    let results = runtime.and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            let calls = connect(index, Arc::clone(shared), sources, events.clone()).await?;
            make_calls(calls).await
        })
    });
    if let Err(error) = &results {
        shared.fail(error.clone());
    }
    results
}

/// Opens the connections of this thread and waits for the start.
async fn connect(
    index: usize,
    shared: Arc<Shared>,
    sources: Sources<'_>,
    events: SyncSender<Event>,
) -> Result<Rc<Calls>, Error> {
    let plan = &shared.plan;
    let source = sources()?;
    let mut head = Head::new(&plan.endpoint, &plan.path, plan.timeout)?;
    if plan.compressed {
        head = head.compressed();
    }
    let tls = TlsConnector::of(&plan.endpoint)?;
    let endpoint = Rc::new(plan.endpoint.clone());
    let mut links = Vec::new();
    let connections = plan.connections_of(shared.share).unwrap_or(shared.threads);
    for number in (index..connections).step_by(shared.threads) {
        let link = Link::open(Rc::clone(&endpoint), tls.clone(), number).await;
        links.push(link.map_err(|failure| failure.to_error())?);
    }
    // Fails only if the run has already ended.
    let _sent = events.send(Event::Connected);
    let Some(start) = shared.started().await else {
        return Err(Error::new("the run was interrupted before its start", "run it again"));
    };
    Ok(Rc::new(Calls::new(index, start, source, links, Rc::new(head), events, shared)))
}

/// Why a thread makes no more calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All calls have ended.
    Complete,
    /// The run was interrupted, or has failed.
    Cancelled,
    /// The duration of the run is over.
    TimedOut,
}

/// Makes the calls of this thread, until there are no more or the duration is over.
async fn make_calls(calls: Rc<Calls>) -> Result<Results, Error> {
    let reporter = spawn_local(Rc::clone(&calls).report_intervals());
    let mut workers = JoinSet::new();
    let ending = {
        let mut running = pin!(run_loop(&calls, &mut workers));
        let ending = tokio::select! {
            biased;
            () = calls.shared.cancelled() => Ending::Cancelled,
            () = time_over(&calls) => Ending::TimedOut,
            () = &mut running => Ending::Complete,
        };
        if ending == Ending::TimedOut && calls.begin_closing() {
            // The calls that became due and were not sent in time are counted.
            running.await;
        }
        ending
    };
    workers.shutdown().await;
    match ending {
        Ending::Complete => {}
        Ending::Cancelled => calls.ignore_in_flight(),
        Ending::TimedOut => calls.end_at_duration(),
    }
    reporter.abort();
    Ok(calls.finish())
}

async fn run_loop(calls: &Rc<Calls>, workers: &mut JoinSet<()>) {
    sleep_until(calls.start.into()).await;
    match &calls.shared.plan.load {
        Load::Closed { workers: schedule, pace } => {
            closed::run(calls, workers, schedule, pace.as_ref()).await;
        }
        Load::Open { rate, max_in_flight } => open::run(calls, workers, rate, *max_in_flight).await,
    }
}

/// Waits for the end of the duration, if calls in flight are cancelled then.
async fn time_over(calls: &Calls) {
    let stop = calls.shared.plan.stop;
    match (stop.duration, stop.at_duration) {
        (Some(duration), AtDuration::Close | AtDuration::Ignore) => {
            sleep_until((calls.start + duration).into()).await;
        }
        (Some(_), AtDuration::Wait) | (None, _) => std::future::pending().await,
    }
}

fn no_runtime(error: &io::Error) -> Error {
    Error::new(
        format!("cannot start a thread of the run: {error}"),
        "raise the limit of open files of this process (`ulimit -n`)",
    )
}
