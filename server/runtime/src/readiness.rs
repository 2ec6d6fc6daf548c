//! Whether a process can serve: a list of named things it needs, each of which its owner reports as there or missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// What a process needs before it can serve. Clones share it. Without any check a process is ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<Report>>,
}

/// The state of readiness at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is missing and the process is not draining.
    pub ready: bool,
    /// Whether the process is on its way out, and will never be ready again.
    pub draining: bool,
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
}

impl Readiness {
    /// Nothing needed yet.
    #[must_use]
    pub fn new() -> Self {
        let state = watch::Sender::new(Report { ready: true, ..Report::default() });
        Self { state: Arc::new(state) }
    }

    /// Adds a thing that is needed, missing until its check says otherwise. A name used twice is one thing.
    pub fn require(&self, name: &str, why_missing: &str) -> ReadinessCheck {
        let check = ReadinessCheck { name: name.to_owned(), readiness: self.clone() };
        check.missing(why_missing);
        check
    }

    /// From now on the process is not ready, whatever its checks say: it is about to end.
    pub fn start_draining(&self) {
        self.update(|report| report.draining = true);
    }

    /// The state now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.state.borrow().clone()
    }

    /// The state now, and every change of it from here on.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Report> {
        self.state.subscribe()
    }

    /// Waits until the process is ready, or until it is not. Returns at once if it is that already.
    pub async fn wait_until(&self, ready: bool) {
        // Fails only if the sender is gone, and this value holds it.
        let _ = self.state.subscribe().wait_for(|report| report.ready == ready).await;
    }

    fn update(&self, change: impl FnOnce(&mut Report)) {
        self.state.send_if_modified(|report| {
            let before = report.clone();
            change(report);
            report.ready = report.missing.is_empty() && !report.draining;
            *report != before
        });
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// The report of one thing that is needed, held by whoever knows about it.
#[derive(Debug)]
#[must_use = "only the check can report the thing as there"]
pub struct ReadinessCheck {
    name: String,
    readiness: Readiness,
}

impl ReadinessCheck {
    /// The thing is there.
    pub fn ready(&self) {
        self.readiness.update(|report| {
            report.missing.remove(&self.name);
        });
    }

    /// The thing is missing, and why.
    pub fn missing(&self, why: &str) {
        self.readiness.update(|report| {
            report.missing.insert(self.name.clone(), why.to_owned());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_everything_is_there() {
        let readiness = Readiness::new();
        assert!(readiness.report().ready);
        let store = readiness.require("store", "not asked yet");
        let orders = readiness.require("orders", "not asked yet");
        store.ready();
        assert!(!readiness.report().ready);
        orders.ready();
        assert!(readiness.report().ready);
        store.missing("connection refused");
        assert_eq!(
            readiness.report().missing,
            BTreeMap::from([("store".to_owned(), "connection refused".to_owned())])
        );
    }

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::new();
        let store = readiness.require("store", "not asked yet");
        readiness.start_draining();
        store.ready();
        assert_eq!(readiness.report(), Report { ready: false, draining: true, missing: BTreeMap::new() });
    }

    #[tokio::test]
    async fn changes_can_be_waited_for() {
        let readiness = Readiness::new();
        readiness.wait_until(true).await;
        let store = readiness.require("store", "not asked yet");
        readiness.wait_until(false).await;
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.wait_until(true).await }
        });
        store.ready();
        waiting.await.unwrap();
    }
}
