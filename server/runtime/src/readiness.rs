//! Readiness: whether a process can serve. It depends on named checks, each reported as ready or missing by its
//! owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// The readiness of a process. Clones share it. A process without checks is ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<Report>>,
}

/// A snapshot of readiness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True if no check is missing and the process is not draining.
    pub ready: bool,
    /// True once the process drains: it will not be ready again.
    pub draining: bool,
    /// The missing checks, each with its reason.
    pub missing: BTreeMap<String, String>,
    /// The checks that are ready with a limitation, each with its reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub degraded: BTreeMap<String, String>,
}

impl Readiness {
    /// A readiness without checks.
    #[must_use]
    pub fn new() -> Self {
        let state = watch::Sender::new(Report { ready: true, ..Report::default() });
        Self { state: Arc::new(state) }
    }

    /// Adds a check, which is missing until it is reported as ready. Checks of the same name are one check.
    pub fn require(&self, name: &str, reason: &str) -> ReadinessCheck {
        let check = ReadinessCheck { name: name.to_owned(), readiness: self.clone() };
        check.missing(reason);
        check
    }

    /// Marks the process as draining: it is not ready from now on, whatever its checks are.
    pub fn start_draining(&self) {
        self.update(|report| report.draining = true);
    }

    /// The current readiness.
    #[must_use]
    pub fn report(&self) -> Report {
        self.state.borrow().clone()
    }

    /// The current readiness, and every change of it.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Report> {
        self.state.subscribe()
    }

    /// Waits until readiness has this value. Returns immediately if it has.
    pub async fn wait_until(&self, ready: bool) {
        // Fails only if the sender was dropped, and this value holds it.
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

/// One check of readiness, held by the component that reports it.
#[derive(Debug)]
#[must_use = "only this value can report the check as ready"]
pub struct ReadinessCheck {
    name: String,
    readiness: Readiness,
}

impl ReadinessCheck {
    /// Reports the check as ready.
    pub fn ready(&self) {
        self.readiness.update(|report| {
            report.missing.remove(&self.name);
            report.degraded.remove(&self.name);
        });
    }

    /// Reports the check as ready with a limitation, with the reason: the process does all that it can.
    pub fn degraded(&self, reason: &str) {
        self.readiness.update(|report| {
            report.missing.remove(&self.name);
            report.degraded.insert(self.name.clone(), reason.to_owned());
        });
    }

    /// Reports the check as missing, with the reason.
    pub fn missing(&self, reason: &str) {
        self.readiness.update(|report| {
            report.degraded.remove(&self.name);
            report.missing.insert(self.name.clone(), reason.to_owned());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_every_check_is() {
        let readiness = Readiness::new();
        assert!(readiness.report().ready);
        let store = readiness.require("store", "not checked yet");
        let orders = readiness.require("orders", "not checked yet");
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
    fn a_limitation_is_reported_by_a_process_that_is_ready() {
        let readiness = Readiness::new();
        let store = readiness.require("store", "not checked yet");
        store.degraded("its memory is full");
        let reason = |reason: &str| BTreeMap::from([("store".to_owned(), reason.to_owned())]);
        let report = readiness.report();
        assert!(report.ready && report.missing.is_empty());
        assert_eq!(report.degraded, reason("its memory is full"));
        store.missing("connection refused");
        assert_eq!(readiness.report().missing, reason("connection refused"));
        assert!(readiness.report().degraded.is_empty());
        store.degraded("its memory is full");
        store.ready();
        assert_eq!(readiness.report(), Report { ready: true, ..Report::default() });
    }

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::new();
        let store = readiness.require("store", "not checked yet");
        readiness.start_draining();
        store.ready();
        assert_eq!(readiness.report(), Report { draining: true, ..Report::default() });
    }

    #[tokio::test]
    async fn wait_until_returns_after_the_change() {
        let readiness = Readiness::new();
        readiness.wait_until(true).await;
        let store = readiness.require("store", "not checked yet");
        readiness.wait_until(false).await;
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.wait_until(true).await }
        });
        store.ready();
        waiting.await.unwrap();
    }
}
