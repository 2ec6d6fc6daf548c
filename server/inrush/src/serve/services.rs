//! The services of one process, started together and stopped one after the other.

use std::time::Duration;

use anyhow::bail;
use inrush_runtime::{
    readiness::Readiness,
    shutdown::Shutdown,
    tasks::{Outcome, TaskError, TaskGroup},
};
use tokio_util::sync::CancellationToken;

/// What a service may take to stop beyond the time it gives itself: it knows best how long its drain takes, and this
/// only ends what hangs.
const MARGIN: Duration = Duration::from_secs(5);

/// Services in the order in which they stop. Who takes work in stops first, so that what it took in still finds those
/// behind it.
pub(super) struct Services {
    shutdown: Shutdown,
    readiness: Readiness,
    groups: Vec<(TaskGroup, Duration)>,
}

impl Services {
    /// None yet. From here on SIGTERM and Ctrl-C start draining.
    ///
    /// # Errors
    /// If the operating system does not let the process handle its signals.
    pub(super) fn on_signals() -> anyhow::Result<Self> {
        Ok(Self { shutdown: Shutdown::on_signals()?, readiness: Readiness::new(), groups: Vec::new() })
    }

    /// The process's wish to end, for a service that wants to hear of it at once and not only when it is its turn.
    pub(super) const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// What the process needs before it can serve.
    pub(super) const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Starts a service, which stops after those added before it, within `drain`. Its failure stops the process.
    pub(super) fn add<F, E>(
        &mut self,
        name: &str,
        drain: Duration,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        let group = TaskGroup::new(&self.shutdown);
        group.spawn_essential(name, run);
        self.groups.push((group, drain + MARGIN));
    }

    /// Serves until the process is to end, then stops the services.
    ///
    /// # Errors
    /// The first service that failed or did not stop.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        self.shutdown.started().await;
        self.readiness.start_draining();
        let mut outcomes = Outcome::default();
        for (group, grace) in self.groups {
            let outcome = group.shut_down(grace).await;
            outcomes.failed.extend(outcome.failed);
            outcomes.unfinished.extend(outcome.unfinished);
        }
        if let Some(failed) = outcomes.failed.into_iter().next() {
            return Err(failed.into());
        }
        if let Some(name) = outcomes.unfinished.first() {
            bail!("the task {name} did not stop in time");
        }
        tracing::info!("stopped");
        Ok(())
    }
}
