//! Thread per core: several single-threaded runtimes side by side. A request that is served where it was accepted takes
//! no lock and wakes no other thread, which is worth a third of its CPU time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::{TaskError, panic_message, with_causes};
use crate::shutdown::Shutdown;

/// What one thread gets.
#[derive(Debug)]
pub struct Core<I> {
    /// The thread's number, from 0.
    pub index: usize,
    /// What was meant for this thread alone, such as its listener.
    pub input: I,
    /// Cancelled when the process drains or another core has failed.
    pub stop: CancellationToken,
}

/// Running threads.
#[derive(Debug)]
#[must_use = "the threads' failures are learnt by joining them"]
pub struct PerCore {
    outcomes: mpsc::Receiver<Result<(), PerCoreError>>,
    stop: CancellationToken,
}

impl PerCore {
    /// Starts a thread per input, named after its number (`front-0`), each with a runtime of its own that runs the given
    /// closure and everything it spawns. The first failure, a panic included, tells all others to stop.
    ///
    /// # Errors
    /// If a thread or a runtime cannot be had; threads already started are then told to stop.
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

    /// Tells all threads to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for all threads.
    ///
    /// # Errors
    /// The first failure, in time.
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

/// A thread's way to say how it ended.
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
        // Reported before the others are told, so that what they say while stopping comes after it. There is a place
        // for every thread's outcome; it is refused only if nobody joins.
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
    // Without waiting for blocking work that nobody needs any more.
    runtime.shutdown_background();
    match ended {
        Ok(outcome) => outcome.map_err(|error| Ending::Failed(error.into())),
        Err(payload) => Err(Ending::Panicked(panic_message(payload.as_ref()).to_owned())),
    }
}

/// Why threads did not run, or did not run to their end.
#[derive(Debug, thiserror::Error)]
pub enum PerCoreError {
    /// The operating system gave no thread or no runtime.
    #[error("cannot start the thread {thread}")]
    NotStarted {
        /// The thread's name.
        thread: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The closure gave an error.
    #[error("the thread {thread} failed")]
    Failed {
        /// The thread's name.
        thread: String,
        /// Its error.
        source: TaskError,
    },
    /// The closure panicked.
    #[error("the thread {thread} panicked: {message}")]
    Panicked {
        /// The thread's name.
        thread: String,
        /// What the panic said.
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
                // Not Send, and carried across an await: only a single-threaded runtime takes it.
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
        assert_eq!(with_causes(&failure), "the thread front-1 failed: address lost");
        assert!(!shutdown.is_started(), "what a failure means for the process is the caller's to say");
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
            message.starts_with("the thread front-0 panicked:") && message.contains("off by one"),
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
