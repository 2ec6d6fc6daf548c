//! Supervised tasks. Every task has a name and a stop token, and its failure stops the process, which an orchestrator
//! restarts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::{panic_message, with_causes};
use crate::shutdown::Shutdown;

pub use crate::failure::TaskError;

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
}
