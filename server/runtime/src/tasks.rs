//! Supervised tasks. No task fails in silence: it has a name, it is told when to stop, and what its failure means is
//! decided where it is spawned: the process stops, or the task starts again.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::{panic_message, with_causes};
use crate::shutdown::Shutdown;

pub use crate::failure::TaskError;

/// How a failed task starts again: after pauses that double from the first to the longest, each shortened at random by
/// up to half so that replicas do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause. A task that ran for longer than this has recovered: its failures are forgotten.
    pub longest: Duration,
    /// How many failures in a row are borne. One more stops the process.
    pub patience: u32,
}

impl Default for Backoff {
    /// From 100 ms to 10 s; a task that fails 20 times in a row, which takes two minutes, will not get better by itself.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10), patience: 20 }
    }
}

impl Backoff {
    fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// Tasks that are stopped together. Dropping the group tells its tasks to stop and waits for none.
///
/// A group does not stop by itself when the process starts draining: whoever owns several groups stops those first that
/// take work in.
#[derive(Debug)]
pub struct TaskGroup {
    shutdown: Shutdown,
    stop: CancellationToken,
    running: Mutex<Vec<Running>>,
    failed: Arc<Mutex<Vec<FailedTask>>>,
}

#[derive(Debug)]
struct Running {
    name: String,
    handle: JoinHandle<()>,
}

impl TaskGroup {
    /// An empty group, whose failures start this shutdown.
    #[must_use]
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            shutdown: shutdown.clone(),
            stop: CancellationToken::new(),
            running: Mutex::default(),
            failed: Arc::default(),
        }
    }

    /// Spawns a task that the process cannot do without: an error or a panic in it stops the process. It should end
    /// soon after its token is cancelled, and may end earlier when its work is done.
    pub fn spawn_essential<F, E>(
        &self,
        name: impl Into<String>,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        let supervisor = self.supervisor(name.into());
        self.keep(supervisor.name.clone(), async move {
            let stop = supervisor.stop.clone();
            if let Err(reason) = attempt(|| run(stop)).await {
                supervisor.give_up(reason);
            }
        });
    }

    /// Spawns a task that starts again after an error or a panic, and stops the process once patience is at its end.
    pub fn spawn_restarting<F, E>(
        &self,
        name: impl Into<String>,
        backoff: Backoff,
        mut run: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        let supervisor = self.supervisor(name.into());
        self.keep(supervisor.name.clone(), async move {
            let mut failures = 0;
            loop {
                let started = Instant::now();
                let Err(reason) = attempt(|| run(supervisor.stop.clone())).await else { return };
                failures = if started.elapsed() > backoff.longest { 1 } else { failures + 1 };
                if supervisor.stop.is_cancelled() || failures > backoff.patience {
                    return supervisor.give_up(reason);
                }
                let pause = backoff.pause(failures);
                tracing::warn!(
                    task = supervisor.name,
                    failures,
                    ?pause,
                    "a task failed and will start again: {reason}"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = supervisor.stop.cancelled() => return,
                }
            }
        });
    }

    /// Tells all tasks to stop, waits for them up to the grace time, and aborts the rest.
    pub async fn shut_down(&self, grace: Duration) -> Outcome {
        self.stop.cancel();
        let deadline = Instant::now() + grace;
        let mut unfinished = Vec::new();
        let running = std::mem::take(&mut *lock(&self.running));
        for Running { name, mut handle } in running {
            // A finished task counts as finished even when the grace time is over.
            if tokio::time::timeout_at(deadline, &mut handle).await.is_err() {
                tracing::warn!(task = name, ?grace, "a task did not stop in time and is aborted");
                handle.abort();
                unfinished.push(name);
            }
        }
        Outcome { unfinished, failed: std::mem::take(&mut *lock(&self.failed)) }
    }

    fn supervisor(&self, name: String) -> Supervisor {
        Supervisor {
            name,
            stop: self.stop.clone(),
            shutdown: self.shutdown.clone(),
            failed: Arc::clone(&self.failed),
        }
    }

    fn keep(&self, name: String, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task);
        let mut running = lock(&self.running);
        running.retain(|task| !task.handle.is_finished());
        running.push(Running { name, handle });
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How a group of tasks ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The tasks that had to be aborted.
    pub unfinished: Vec<String>,
    /// The tasks that failed for good, in the order in which they did.
    pub failed: Vec<FailedTask>,
}

impl Outcome {
    /// Whether every task ended well and in time.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.unfinished.is_empty() && self.failed.is_empty()
    }
}

/// A task that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {name} failed: {reason}")]
pub struct FailedTask {
    /// The task's name.
    pub name: String,
    /// The error with its causes, or what the panic said.
    pub reason: String,
}

/// What a task's wrapper needs to deal with its failure.
struct Supervisor {
    name: String,
    stop: CancellationToken,
    shutdown: Shutdown,
    failed: Arc<Mutex<Vec<FailedTask>>>,
}

impl Supervisor {
    fn give_up(&self, reason: String) {
        tracing::error!(task = self.name, "a task failed: {reason}");
        lock(&self.failed).push(FailedTask { name: self.name.clone(), reason });
        self.shutdown.start(&format!("the task {} failed", self.name));
    }
}

/// Runs a task once. Making the future may panic as well as running it.
async fn attempt<F, E>(run: impl FnOnce() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), E>>,
    E: Into<TaskError>,
{
    match AssertUnwindSafe(async { run().await }).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(with_causes(error.into().as_ref())),
        Err(payload) => Err(format!("it panicked: {}", panic_message(payload.as_ref()))),
    }
}

/// A panic while a lock was held leaves these lists whole, so the lock's poison says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn failed(name: &str, reason: &str) -> Vec<FailedTask> {
        vec![FailedTask { name: name.to_owned(), reason: reason.to_owned() }]
    }

    #[tokio::test]
    async fn tasks_are_told_to_stop_and_waited_for() {
        let group = TaskGroup::new(&Shutdown::new());
        let finished = Arc::new(AtomicU32::new(0));
        for index in 0..3 {
            let finished = Arc::clone(&finished);
            group.spawn_essential(format!("worker {index}"), move |stop| async move {
                stop.cancelled().await;
                finished.fetch_add(1, Ordering::SeqCst);
                anyhow::Ok(())
            });
        }
        assert_eq!(group.shut_down(GRACE).await, Outcome::default());
        assert_eq!(finished.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn an_essential_tasks_error_stops_the_process() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        group.spawn_essential("claimer", |_| async {
            Err(anyhow::anyhow!("connection refused").context("cannot claim"))
        });
        shutdown.started().await;
        let outcome = group.shut_down(GRACE).await;
        assert_eq!(outcome.failed, failed("claimer", "cannot claim: connection refused"));
        assert!(!outcome.is_fine());
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_wherever_it_happens() {
        for inside in [true, false] {
            let shutdown = Shutdown::new();
            let group = TaskGroup::new(&shutdown);
            group.spawn_essential("settler", move |_| {
                assert!(inside, "off by one");
                async move {
                    assert!(!inside, "off by one");
                    anyhow::Ok(())
                }
            });
            shutdown.started().await;
            assert_eq!(group.shut_down(GRACE).await.failed, failed("settler", "it panicked: off by one"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_restarting_task_comes_back() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let (report, mut starts) = tokio::sync::mpsc::channel(8);
        let mut runs = 0;
        group.spawn_restarting("recoverer", Backoff::default(), move |stop| {
            runs += 1;
            let (run, report) = (runs, report.clone());
            async move {
                report.send(run).await?;
                match run {
                    1 => Err(anyhow::anyhow!("store away")),
                    2 => panic!("off by one"),
                    _ => {
                        stop.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        for run in 1..=3 {
            assert_eq!(starts.recv().await, Some(run));
        }
        assert!(!shutdown.is_started());
        assert!(group.shut_down(GRACE).await.is_fine());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let backoff = Backoff { patience: 4, ..Backoff::default() };
        group.spawn_restarting("recoverer", backoff, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<(), _>("store away") }
        });
        shutdown.started().await;
        assert_eq!(runs.load(Ordering::SeqCst), 5);
        assert_eq!(group.shut_down(GRACE).await.failed, failed("recoverer", "store away"));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_long_apart_do_not_add_up() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let (report, mut starts) = tokio::sync::mpsc::channel(1);
        let backoff = Backoff { patience: 1, ..Backoff::default() };
        group.spawn_restarting("recoverer", backoff, move |_| {
            let report = report.clone();
            async move {
                report.send(()).await?;
                tokio::time::sleep(backoff.longest * 2).await;
                Err::<(), _>(anyhow::anyhow!("store away"))
            }
        });
        for _ in 0..10 {
            starts.recv().await.unwrap();
        }
        assert!(!shutdown.is_started());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_the_group_stops() {
        let group = TaskGroup::new(&Shutdown::new());
        let backoff =
            Backoff { first: Duration::from_secs(3600), longest: Duration::from_secs(3600), patience: 1 };
        let (report, mut starts) = tokio::sync::mpsc::channel(1);
        group.spawn_restarting("recoverer", backoff, move |_| {
            let report = report.clone();
            async move {
                report.send(()).await?;
                Err::<(), _>(anyhow::anyhow!("store away"))
            }
        });
        starts.recv().await.unwrap();
        let before = Instant::now();
        assert!(group.shut_down(GRACE).await.is_fine());
        assert!(before.elapsed() < GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_named_and_aborted() {
        let group = TaskGroup::new(&Shutdown::new());
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        group.spawn_essential("stuck", |_| async move {
            let _held = held;
            std::future::pending::<Result<(), TaskError>>().await
        });
        group.spawn_essential("quick", |_| async { anyhow::Ok(()) });
        let outcome = group.shut_down(GRACE).await;
        assert_eq!(outcome.unfinished, ["stuck"]);
        assert!(dropped.await.is_err(), "an aborted task is dropped");
    }

    #[tokio::test]
    async fn dropping_the_group_stops_its_tasks() {
        let group = TaskGroup::new(&Shutdown::new());
        let (report, stopped) = tokio::sync::oneshot::channel();
        group.spawn_essential("worker", |stop| async move {
            stop.cancelled().await;
            let _ = report.send(());
            anyhow::Ok(())
        });
        drop(group);
        stopped.await.unwrap();
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::default();
        for (failures, full) in [(1, 100), (2, 200), (3, 400), (8, 10_000), (u32::MAX, 10_000)] {
            let full = Duration::from_millis(full);
            let pause = backoff.pause(failures);
            assert!(pause <= full && pause >= full / 2, "{pause:?} after {failures} failures");
        }
    }
}
