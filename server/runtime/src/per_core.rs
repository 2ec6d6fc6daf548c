//! Thread per core: several single-threaded runtimes side by side. A request is served on the thread that accepted it, takes no
//! lock and wakes no other thread, which saves a third of its CPU time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::{TaskError, panic_message, with_causes};
use crate::shutdown::Shutdown;

/// The input of one thread.
#[derive(Debug)]
pub struct Core<I> {
    /// The index of the thread, from 0.
    pub index: usize,
    /// The input of this thread alone, such as its listener.
    pub input: I,
    /// Cancelled when the process drains or another thread has failed.
    pub stop: CancellationToken,
}

/// Running threads.
#[derive(Debug)]
#[must_use = "join the threads to get their errors"]
pub struct PerCore {
    outcomes: mpsc::Receiver<Result<(), PerCoreError>>,
    stop: CancellationToken,
}

impl PerCore {
    /// Starts a thread per input, named after its index (`front-0`). Each has a runtime of its own that runs the closure and
    /// everything it spawns. The first failure, panics included, stops all others.
    ///
    /// # Errors
    /// If a thread or a runtime cannot be created; threads that were started are then stopped.
    pub fn start<I, F, E>(
        name: &str,
        inputs: Vec<I>,
        shutdown: &Shutdown,
        serve: impl Fn(Core<I>) -> F + Send + Sync + 'static,
    ) -> Result<Self, PerCoreError>
    where
        I: Send + 'static,
        F: Future<Output = Result<(), E>>,
        E: Into<TaskError>,
    {
        let stop = shutdown.token();
        let stop_unless_started = stop.clone().drop_guard();
        let (report, outcomes) = mpsc::channel(inputs.len().max(1));
        let serve = Arc::new(serve);
        for (index, input) in inputs.into_iter().enumerate() {
            let (serve, core) = (Arc::clone(&serve), Core { index, input, stop: stop.clone() });
            let reporter =
                Reporter { thread: format!("{name}-{index}"), report: report.clone(), stop: stop.clone() };
            reporter.start_thread(move || serve(core))?;
        }
        Ok(Self { outcomes, stop: stop_unless_started.disarm() })
    }

    /// Stops all threads.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for all threads to end.
    ///
    /// # Errors
    /// The first failure.
    pub async fn join(mut self) -> Result<(), PerCoreError> {
        let mut first_failure = Ok(());
        while let Some(outcome) = self.outcomes.recv().await {
            if let Err(failure) = outcome {
                tracing::error!("{}", with_causes(&failure));
                first_failure = first_failure.and(Err(failure));
            }
        }
        first_failure
    }
}

/// Reports how a thread ended.
struct Reporter {
    thread: String,
    report: mpsc::Sender<Result<(), PerCoreError>>,
    stop: CancellationToken,
}

impl Reporter {
    fn start_thread<F, E>(self, serve: impl FnOnce() -> F + Send + 'static) -> Result<(), PerCoreError>
    where
        F: Future<Output = Result<(), E>>,
        E: Into<TaskError>,
    {
        let name = self.thread.clone();
        let started =
            Builder::new_current_thread().enable_all().thread_name(&name).build().and_then(|runtime| {
                std::thread::Builder::new().name(name.clone()).spawn(move || self.report(run(runtime, serve)))
            });
        started.map(drop).map_err(|source| PerCoreError::NotStarted { thread: name, source })
    }

    fn report(self, ended: Result<(), Ending>) {
        let thread = self.thread;
        let outcome = ended.map_err(|ending| match ending {
            Ending::Failed(source) => PerCoreError::Failed { thread, source },
            Ending::Panicked(message) => PerCoreError::Panicked { thread, message },
        });
        let failed = outcome.is_err();
        // Reported before the others are stopped, so that their errors come later. The channel has capacity for every
        // thread: sending fails only if the receiver was dropped.
        let _ = self.report.try_send(outcome);
        if failed {
            self.stop.cancel();
        }
    }
}

enum Ending {
    Failed(TaskError),
    Panicked(String),
}

fn run<F, E>(runtime: Runtime, serve: impl FnOnce() -> F) -> Result<(), Ending>
where
    F: Future<Output = Result<(), E>>,
    E: Into<TaskError>,
{
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { serve().await })));
    // Without waiting for blocking work.
    runtime.shutdown_background();
    match ended {
        Ok(outcome) => outcome.map_err(|error| Ending::Failed(error.into())),
        Err(payload) => Err(Ending::Panicked(panic_message(payload.as_ref()).to_owned())),
    }
}

/// Why threads did not run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum PerCoreError {
    /// A thread or a runtime cannot be created.
    #[error("cannot start thread {thread}")]
    NotStarted {
        /// The thread's name.
        thread: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The closure returned an error.
    #[error("thread {thread} failed")]
    Failed {
        /// The thread's name.
        thread: String,
        /// Its error.
        source: TaskError,
    },
    /// The closure panicked.
    #[error("thread {thread} panicked: {message}")]
    Panicked {
        /// The thread's name.
        thread: String,
        /// The message of the panic.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn each_input_gets_a_named_thread_of_its_own() {
        let shutdown = Shutdown::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        let cores = PerCore::start("front", vec!["a", "b", "c"], &shutdown, move |core| {
            let written = Arc::clone(&written);
            async move {
                // Not Send, and held across an await: this compiles on a single-threaded runtime only.
                let local = Rc::new(core.input);
                let spawned =
                    tokio::spawn(async { std::thread::current().name().map(str::to_owned) }).await?;
                written.lock().unwrap().push((core.index, *local, spawned.unwrap()));
                core.stop.cancelled().await;
                anyhow::Ok(())
            }
        })
        .unwrap();
        shutdown.start("test");
        cores.join().await.unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort();
        let thread = |index: usize| format!("front-{index}");
        assert_eq!(seen, [(0, "a", thread(0)), (1, "b", thread(1)), (2, "c", thread(2))]);
    }

    #[tokio::test]
    async fn the_first_failure_stops_the_others_and_is_reported() {
        let shutdown = Shutdown::new();
        let cores = PerCore::start("front", vec![(), (), ()], &shutdown, |core| async move {
            if core.index == 1 {
                return Err(anyhow::anyhow!("address lost"));
            }
            core.stop.cancelled().await;
            anyhow::bail!("stopped while busy")
        })
        .unwrap();
        let failure = cores.join().await.unwrap_err();
        assert_eq!(with_causes(&failure), "thread front-1 failed: address lost");
        assert!(!shutdown.is_started(), "a failure does not shut the process down");
    }

    #[tokio::test]
    async fn a_panic_is_reported_like_an_error() {
        let cores = PerCore::start("front", vec![()], &Shutdown::new(), |core| async move {
            assert_eq!(core.index, 7, "off by one");
            anyhow::Ok(())
        })
        .unwrap();
        let message = cores.join().await.unwrap_err().to_string();
        assert!(
            message.starts_with("thread front-0 panicked:") && message.contains("off by one"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn threads_can_be_stopped_without_ending_the_process() {
        let shutdown = Shutdown::new();
        let cores = PerCore::start("front", vec![(), ()], &shutdown, |core| async move {
            core.stop.cancelled().await;
            anyhow::Ok(())
        })
        .unwrap();
        cores.stop();
        cores.join().await.unwrap();
        assert!(!shutdown.is_started());
    }

    #[tokio::test]
    async fn no_inputs_are_no_threads() {
        let none: Vec<()> = Vec::new();
        PerCore::start("front", none, &Shutdown::new(), |_| async { anyhow::Ok(()) })
            .unwrap()
            .join()
            .await
            .unwrap();
    }
}
