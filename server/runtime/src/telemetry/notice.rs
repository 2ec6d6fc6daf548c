//! Telling that telemetry does not arrive: once when it begins, then seldom, and once when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;

/// How often it is told that the collector is still away.
const REPEAT: Duration = Duration::from_secs(600);

/// What is known of the way to the collector. All kinds of telemetry share it, since they share the way.
#[derive(Debug)]
pub(super) struct Notice {
    endpoint: String,
    /// When it was told last that the collector is away; none while it is there.
    told: Mutex<Option<Instant>>,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Away,
    Back,
}

impl Notice {
    pub(super) fn new(endpoint: String) -> Self {
        Self { endpoint, told: Mutex::default() }
    }

    /// Something was sent, or could not be.
    pub(super) fn of(&self, outcome: &OTelSdkResult) {
        let endpoint = &self.endpoint;
        match (self.news(outcome.is_ok(), Instant::now()), outcome) {
            (Some(News::Away), Err(error)) => tracing::warn!(
                %endpoint,
                "telemetry cannot be sent and is dropped; calls go on as ever, see that the collector can be reached: {error}"
            ),
            (Some(News::Back), _) => tracing::info!(%endpoint, "telemetry is sent again"),
            (Some(News::Away) | None, _) => {}
        }
    }

    fn news(&self, arrived: bool, now: Instant) -> Option<News> {
        // Nothing here can leave the moment half written, so the lock's poison says nothing.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match (arrived, *told) {
            (true, None) => None,
            (true, Some(_)) => {
                *told = None;
                Some(News::Back)
            }
            (false, Some(last)) if now.saturating_duration_since(last) < REPEAT => None,
            (false, _) => {
                *told = Some(now);
                Some(News::Away)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_is_told_of_seldom_and_its_end_once() {
        let notice = Notice::new("http://collector:4317".to_owned());
        let start = Instant::now();
        let news = |arrived, at| notice.news(arrived, start + at);
        assert_eq!(news(true, Duration::ZERO), None);
        assert_eq!(news(false, Duration::ZERO), Some(News::Away));
        assert_eq!(news(false, REPEAT / 2), None);
        assert_eq!(news(false, REPEAT), Some(News::Away));
        assert_eq!(news(true, REPEAT), Some(News::Back));
        assert_eq!(news(true, REPEAT), None);
    }
}
