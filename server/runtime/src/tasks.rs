//! Supervised tasks. Every task has a name, a stop token and a policy for its failure, chosen where it is spawned: stop the
//! process, or restart the task.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::failure::{panic_message, with_causes};
use crate::shutdown::Shutdown;

pub use crate::failure::TaskError;

/// How a failed task is restarted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestartPolicy {
    /// The delays. A task that ran for longer than the longest has recovered: its failures are reset.
    pub backoff: Backoff,
    /// Failures in a row after which the task is restarted. One more stops the process.
    pub max_failures: u32,
}

impl Default for RestartPolicy {
    /// From 100 ms to 10 s; a task that fails 20 times in a row, which takes two minutes, does not recover by itself.
    fn default() -> Self {
        Self { backoff: Backoff { max: Duration::from_secs(10), ..Backoff::default() }, max_failures: 20 }
    }
}

/// Tasks that are stopped together. Dropping the group stops its tasks without waiting for them.
///
/// A group does not stop by itself when the process drains: the owner of several groups stops them in order, those that accept
/// work first.
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
    /// An empty group. A failure of its tasks starts this shutdown.
    #[must_use]
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            shutdown: shutdown.clone(),
            stop: CancellationToken::new(),
            running: Mutex::default(),
            failed: Arc::default(),
        }
    }

    /// Spawns a task whose error or panic stops the process. It should end soon after its token is cancelled, and may end
    /// earlier.
    pub fn spawn_essential<F, E>(
        &self,
        name: impl Into<String>,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        let supervisor = self.supervisor(name.into());
        self.supervise(supervisor.name.clone(), async move {
            let stop = supervisor.stop.clone();
            if let Err(reason) = attempt(|| run(stop)).await {
                supervisor.give_up(reason);
            }
        });
    }

    /// Spawns a task that is restarted after an error or a panic, and stops the process after too many of them.
    pub fn spawn_restarting<F, E>(
        &self,
        name: impl Into<String>,
        policy: RestartPolicy,
        mut run: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        let supervisor = self.supervisor(name.into());
        self.supervise(supervisor.name.clone(), async move {
            let mut failures = 0;
            loop {
                let started = Instant::now();
                let Err(reason) = attempt(|| run(supervisor.stop.clone())).await else { return };
                failures = if started.elapsed() > policy.backoff.max { 1 } else { failures + 1 };
                if supervisor.stop.is_cancelled() || failures > policy.max_failures {
                    return supervisor.give_up(reason);
                }
                let delay = policy.backoff.delay(failures);
                tracing::warn!(
                    task = supervisor.name,
                    failures,
                    ?delay,
                    reason,
                    "task failed, restarting it"
                );
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = supervisor.stop.cancelled() => return,
                }
            }
        });
    }

    /// Stops all tasks, waits for them up to the timeout, and aborts the others.
    pub async fn shut_down(&self, timeout: Duration) -> Outcome {
        self.stop.cancel();
        let deadline = Instant::now() + timeout;
        let mut unfinished = Vec::new();
        let running = std::mem::take(&mut *self.running.lock());
        for Running { name, mut handle } in running {
            // A task that has ended counts as ended after the timeout, too.
            if tokio::time::timeout_at(deadline, &mut handle).await.is_err() {
                tracing::warn!(task = name, ?timeout, "task did not stop in time, aborting it");
                handle.abort();
                unfinished.push(name);
            }
        }
        Outcome { unfinished, failed: std::mem::take(&mut *self.failed.lock()) }
    }

    fn supervisor(&self, name: String) -> Supervisor {
        Supervisor {
            name,
            stop: self.stop.clone(),
            shutdown: self.shutdown.clone(),
            failed: Arc::clone(&self.failed),
        }
    }

    fn supervise(&self, name: String, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task);
        let mut running = self.running.lock();
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
    /// The tasks that were aborted.
    pub unfinished: Vec<String>,
    /// The tasks that failed for good, in order.
    pub failed: Vec<FailedTask>,
}

impl Outcome {
    /// Whether no task failed or was aborted.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.unfinished.is_empty() && self.failed.is_empty()
    }
}

/// A task that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {name} failed: {reason}")]
pub struct FailedTask {
    /// The task's name.
    pub name: String,
    /// The error with its causes, or the message of the panic.
    pub reason: String,
}

/// Handles the failure of a task.
struct Supervisor {
    name: String,
    stop: CancellationToken,
    shutdown: Shutdown,
    failed: Arc<Mutex<Vec<FailedTask>>>,
}

impl Supervisor {
    fn give_up(&self, reason: String) {
        tracing::error!(task = self.name, reason, "task failed");
        self.failed.lock().push(FailedTask { name: self.name.clone(), reason });
        self.shutdown.start(&format!("task {} failed", self.name));
    }
}

/// Runs a task once. Both creating the future and running it may panic.
async fn attempt<F, E>(run: impl FnOnce() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), E>>,
    E: Into<TaskError>,
{
    match AssertUnwindSafe(async { run().await }).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(with_causes(error.into().as_ref())),
        Err(payload) => Err(format!("panicked: {}", panic_message(payload.as_ref()))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn failed(name: &str, reason: &str) -> Vec<FailedTask> {
        vec![FailedTask { name: name.to_owned(), reason: reason.to_owned() }]
    }

    #[tokio::test]
    async fn tasks_are_stopped_and_waited_for() {
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
        assert_eq!(group.shut_down(TIMEOUT).await, Outcome::default());
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
        let outcome = group.shut_down(TIMEOUT).await;
        assert_eq!(outcome.failed, failed("claimer", "cannot claim: connection refused"));
        assert!(!outcome.is_ok());
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
            assert_eq!(group.shut_down(TIMEOUT).await.failed, failed("settler", "panicked: off by one"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_task_is_restarted() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let (report, mut starts) = tokio::sync::mpsc::channel(8);
        let mut runs = 0;
        group.spawn_restarting("recoverer", RestartPolicy::default(), move |stop| {
            runs += 1;
            let (run, report) = (runs, report.clone());
            async move {
                report.send(run).await?;
                match run {
                    1 => Err(anyhow::anyhow!("store unavailable")),
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
        assert!(group.shut_down(TIMEOUT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_failures_in_a_row_stop_the_process() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let policy = RestartPolicy { max_failures: 4, ..RestartPolicy::default() };
        group.spawn_restarting("recoverer", policy, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<(), _>("store unavailable") }
        });
        shutdown.started().await;
        assert_eq!(runs.load(Ordering::SeqCst), 5);
        assert_eq!(group.shut_down(TIMEOUT).await.failed, failed("recoverer", "store unavailable"));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_far_apart_do_not_add_up() {
        let shutdown = Shutdown::new();
        let group = TaskGroup::new(&shutdown);
        let (report, mut starts) = tokio::sync::mpsc::channel(1);
        let policy = RestartPolicy { max_failures: 1, ..RestartPolicy::default() };
        group.spawn_restarting("recoverer", policy, move |_| {
            let report = report.clone();
            async move {
                report.send(()).await?;
                tokio::time::sleep(policy.backoff.max * 2).await;
                Err::<(), _>(anyhow::anyhow!("store unavailable"))
            }
        });
        for _ in 0..10 {
            starts.recv().await.unwrap();
        }
        assert!(!shutdown.is_started());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_ends_when_the_group_stops() {
        let group = TaskGroup::new(&Shutdown::new());
        let hour = Duration::from_secs(3600);
        let policy =
            RestartPolicy { backoff: Backoff { initial: hour, max: hour, jitter: 0.5 }, max_failures: 1 };
        let (report, mut starts) = tokio::sync::mpsc::channel(1);
        group.spawn_restarting("recoverer", policy, move |_| {
            let report = report.clone();
            async move {
                report.send(()).await?;
                Err::<(), _>(anyhow::anyhow!("store unavailable"))
            }
        });
        starts.recv().await.unwrap();
        let before = Instant::now();
        assert!(group.shut_down(TIMEOUT).await.is_ok());
        assert!(before.elapsed() < TIMEOUT);
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
        let outcome = group.shut_down(TIMEOUT).await;
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
    fn delays_double_up_to_the_longest() {
        let RestartPolicy { backoff, .. } = RestartPolicy::default();
        for (failures, full) in [(1, 100), (2, 200), (3, 400), (8, 10_000), (u32::MAX, 10_000)] {
            let full = Duration::from_millis(full);
            let delay = backoff.delay(failures);
            assert!(delay <= full && delay >= full / 2, "{delay:?} after {failures} failures");
        }
    }
}
