//! The services of one process, started together and stopped in order.

use std::time::Duration;

use anyhow::bail;
use inrush_runtime::{
    readiness::Readiness,
    shutdown::Shutdown,
    tasks::{Outcome, TaskError, TaskGroup},
};
use tokio_util::sync::CancellationToken;

/// How long a service may take to stop beyond its own drain time, before it is aborted.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Services in the order in which they stop: those that accept work first, so that the others can finish it.
pub(super) struct Services {
    shutdown: Shutdown,
    readiness: Readiness,
    groups: Vec<(TaskGroup, Duration)>,
}

impl Services {
    /// No services. From now on SIGTERM and Ctrl-C start the shutdown.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub(super) fn on_signals() -> anyhow::Result<Self> {
        Ok(Self { shutdown: Shutdown::on_signals()?, readiness: Readiness::new(), groups: Vec::new() })
    }

    /// The shutdown of the process, for a service that drains as soon as it starts.
    pub(super) const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// The readiness of the process.
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
        self.groups.push((group, drain + STOP_MARGIN));
    }

    /// Serves until shutdown, then stops the services.
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
            bail!("task {name} did not stop in time");
        }
        tracing::info!("stopped");
        Ok(())
    }
}
