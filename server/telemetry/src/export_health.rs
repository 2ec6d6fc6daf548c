//! Logs when exports to the collector begin to fail, rarely while they fail, and when they work again.

use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use parking_lot::Mutex;

/// How often a lasting failure is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// Whether exports work. Traces, logs and metrics share it, since they share the connection.
#[derive(Debug)]
pub(crate) struct ExportHealth {
    endpoint: String,
    /// When the failure was logged last; `None` while exports work.
    failure_logged: Mutex<Option<Instant>>,
}

/// What an outcome is logged as.
#[derive(Debug, PartialEq, Eq)]
enum Transition {
    Failing,
    Recovered,
}

impl ExportHealth {
    pub(crate) fn new(endpoint: String) -> Self {
        Self { endpoint, failure_logged: Mutex::default() }
    }

    /// Records the outcome of an export.
    pub(crate) fn record(&self, outcome: &OTelSdkResult) {
        let endpoint = &self.endpoint;
        match (self.transition(outcome.is_ok(), Instant::now()), outcome) {
            (Some(Transition::Failing), Err(error)) => tracing::warn!(
                %endpoint,
                %error,
                "telemetry export failed; requests are unaffected, check that the collector can be reached"
            ),
            (Some(Transition::Recovered), _) => tracing::info!(%endpoint, "telemetry export works again"),
            (Some(Transition::Failing) | None, _) => {}
        }
    }

    fn transition(&self, is_ok: bool, now: Instant) -> Option<Transition> {
        let mut logged = self.failure_logged.lock();
        match (is_ok, *logged) {
            (true, None) => None,
            (true, Some(_)) => {
                *logged = None;
                Some(Transition::Recovered)
            }
            (false, Some(last)) if now.saturating_duration_since(last) < LOG_INTERVAL => None,
            (false, _) => {
                *logged = Some(now);
                Some(Transition::Failing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_at_intervals_and_its_end_once() {
        let health = ExportHealth::new("http://collector:4317".to_owned());
        let start = Instant::now();
        let transition = |is_ok, at| health.transition(is_ok, start + at);
        assert_eq!(transition(true, Duration::ZERO), None);
        assert_eq!(transition(false, Duration::ZERO), Some(Transition::Failing));
        assert_eq!(transition(false, LOG_INTERVAL / 2), None);
        assert_eq!(transition(false, LOG_INTERVAL), Some(Transition::Failing));
        assert_eq!(transition(true, LOG_INTERVAL), Some(Transition::Recovered));
        assert_eq!(transition(true, LOG_INTERVAL), None);
    }
}
