//! The rush: buyers come at planned times, whatever becomes of those before them.

use std::{
    cell::RefCell,
    num::NonZeroUsize,
    rc::Rc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    runtime,
    task::{LocalSet, spawn_local},
    time::sleep_until,
};

use super::{
    buyer::{Visit, Way},
    settings::Settings,
    side::Fate,
};
use crate::{
    measure::{Call, Recorder, RecorderSettings, Results},
    problem::Problem,
    rig::{
        Buyer,
        arrivals::Arrivals,
        rpc::Calls,
        threads::{Start, Threads},
    },
    transport::{Answer, Endpoint},
};

/// Width of the intervals in which calls are counted.
const INTERVAL: Duration = Duration::from_millis(250);

/// Connections of all threads together, as some instances of the shop would have.
const CONNECTIONS: usize = 32;

/// What all buyers of a thread share.
pub(super) struct Ground {
    pub(super) settings: Settings,
    pub(super) way: Way,
    pub(super) calls: Rc<Calls>,
    opening: tokio::time::Instant,
    recorder: RefCell<Recorder>,
    fates: RefCell<Vec<Fate>>,
}

/// What a rush left behind.
#[derive(Debug)]
pub(super) struct Aftermath {
    /// How it ended for each buyer.
    pub(super) fates: Vec<Fate>,
    /// All calls.
    pub(super) calls: Results,
}

/// A rush whose buyers are connected and wait for the doors to open.
pub(super) struct Stampede {
    threads: Threads<Aftermath>,
}

impl Stampede {
    /// Connects to a server, which is the order system or a front.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn gather(settings: &Settings, way: &Way, endpoint: &Endpoint) -> Result<Self, Problem> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = Buyer::try_from(threads).unwrap_or(1).clamp(1, settings.buyers().max(1));
        let works = (0..count).map(|thread| {
            let (settings, way, endpoint) = (settings.clone(), way.clone(), endpoint.clone());
            move |start| trample(settings, way, &endpoint, (thread, count), start)
        });
        Ok(Self { threads: Threads::gather("buyers", works.collect())? })
    }

    /// Opens the doors.
    pub(super) fn let_in(&self) -> Instant {
        self.threads.let_in()
    }

    /// Whether the last buyer has left.
    pub(super) fn is_over(&self) -> bool {
        self.threads.are_over()
    }

    /// Waits until the last buyer has left.
    ///
    /// # Errors
    /// When a thread broke down.
    pub(super) fn join(self) -> Result<Aftermath, Problem> {
        let all = self.threads.join()?.into_iter().reduce(|mut all, other| {
            all.fates.extend(other.fates);
            all.calls.merge(other.calls);
            all
        });
        all.ok_or_else(|| Problem::new("there were no buyers", "give a larger --rush"))
    }
}

/// The buyers of one thread, every so-manieth of all.
fn trample(
    settings: Settings,
    way: Way,
    endpoint: &Endpoint,
    (thread, threads): (Buyer, Buyer),
    start: Start,
) -> Result<Aftermath, Problem> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(format!("a thread cannot be set up: {error}"), "close other programs, and try again")
    })?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let connections = CONNECTIONS.div_ceil(usize::try_from(threads).unwrap_or(1));
        let calls = Calls::open(endpoint, connections, settings.timeout).await;
        let (calls, opening) = start.wait(calls)?;
        let arrivals = settings.arrivals();
        let ground = Ground::new(settings, way, calls, opening);
        ground.receive(&arrivals, (thread, threads)).await;
        Ok(ground.leave())
    })
}

impl Ground {
    fn new(settings: Settings, way: Way, calls: Rc<Calls>, opening: Instant) -> Rc<Self> {
        let recorder = Recorder::new(RecorderSettings {
            started: SystemTime::now(),
            open_loop: true,
            warm_up: Duration::ZERO,
            skip_first: 0,
            interval: INTERVAL,
            details: 0,
        });
        let (recorder, fates) = (RefCell::new(recorder), RefCell::default());
        Rc::new(Self { settings, way, calls, opening: opening.into(), recorder, fates })
    }

    /// Lets every buyer in at its time, and waits until the last has left.
    async fn receive(self: &Rc<Self>, arrivals: &Arrivals, (thread, threads): (Buyer, Buyer)) {
        let mut visits = Vec::new();
        let buyers = (thread..self.settings.buyers()).step_by(usize::try_from(threads).unwrap_or(1));
        for buyer in buyers {
            let planned = arrivals.of(buyer);
            if planned > self.now() {
                sleep_until(self.opening + planned).await;
            }
            let visit = Visit { ground: Rc::clone(self), buyer, planned };
            visits.push(spawn_local(async move {
                let fate = visit.go().await;
                visit.ground.fates.borrow_mut().push(fate);
            }));
        }
        for visit in visits {
            // Its fate is missing then, and the number of buyers shows it.
            let _ = visit.await;
        }
    }

    /// Since the opening.
    pub(super) fn now(&self) -> Duration {
        self.opening.elapsed()
    }

    /// A call is being sent. Returns the time.
    pub(super) fn sent(&self) -> Duration {
        let now = self.now();
        self.recorder.borrow_mut().sent(now);
        now
    }

    /// A call has ended.
    pub(super) fn ended(&self, sent: Duration, answer: &Answer) {
        let Answer { code, error, bytes_sent, bytes_received, .. } = answer;
        self.recorder.borrow_mut().ended(&Call {
            number: 0,
            planned: sent,
            sent,
            ended: self.now(),
            code: *code,
            error,
            bytes_sent: *bytes_sent,
            bytes_received: *bytes_received,
        });
    }

    fn leave(&self) -> Aftermath {
        let (calls, _) = self.recorder.borrow_mut().finish(self.now());
        Aftermath { fates: self.fates.take(), calls }
    }
}
