//! What an operator decides about telemetry.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::transport::Endpoint;

use crate::connection_url::ConnectionUrl;

/// Each sale with series of its own costs a scraper a few dozen series; more than this is a slip of the finger.
const MOST_SALES: usize = 10_000;

const SHORTEST_SLOW: Duration = Duration::from_millis(1);
const LONGEST_SLOW: Duration = Duration::from_secs(3600);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// What leaves the process, and where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Where an OpenTelemetry collector takes in traces, metrics and logs by OTLP over gRPC: `http://HOST:4317`. Unset:
    /// nothing leaves the process.
    pub otlp_endpoint: Option<ConnectionUrl>,
    /// The share of calls that are traced: 0 to 1. A call that its caller traces is traced, and one that its caller does not
    /// is not.
    pub sampling: f64,
    /// Calls that take longer than this are traced whatever the share: 1 ms to 1 h.
    #[serde(with = "humantime_serde")]
    pub slow: Duration,
    /// How often metrics are sent to the collector: 1 s to 1 h.
    #[serde(with = "humantime_serde")]
    pub metrics_interval: Duration,
    /// Sales that have metrics of their own; the others are counted together as the sale `(other)`: 0 to 10,000.
    pub max_sales: usize,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            sampling: 0.1,
            slow: Duration::from_secs(1),
            metrics_interval: Duration::from_secs(15),
            max_sales: 50,
        }
    }
}

/// A setting of telemetry that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`telemetry.{key}` is {value}: {rule}")]
pub struct InvalidSetting {
    key: &'static str,
    value: String,
    rule: &'static str,
}

impl TelemetrySettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first that is out of range, with what to write instead.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if let Some(endpoint) = &self.otlp_endpoint {
            let is_usable =
                Endpoint::from_shared(endpoint.expose().to_owned()).is_ok_and(|endpoint| is_plain(&endpoint));
            check(is_usable, "otlp_endpoint", endpoint, "write http://HOST:4317, the collector's gRPC port")?;
        }
        check((0.0..=1.0).contains(&self.sampling), "sampling", &self.sampling, "it must be 0 to 1")?;
        let slow = humantime_serde::re::humantime::format_duration(self.slow);
        check((SHORTEST_SLOW..=LONGEST_SLOW).contains(&self.slow), "slow", &slow, "it must be 1ms to 1h")?;
        let interval = humantime_serde::re::humantime::format_duration(self.metrics_interval);
        let is_fit = (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.metrics_interval);
        check(is_fit, "metrics_interval", &interval, "it must be 1s to 1h")?;
        check(self.max_sales <= MOST_SALES, "max_sales", &self.max_sales, "it must be 0 to 10000")
    }
}

/// Collectors stand beside what they collect from; one that is further away is reached through one that is near.
fn is_plain(endpoint: &Endpoint) -> bool {
    endpoint.uri().scheme_str() == Some("http") && endpoint.uri().host().is_some()
}

fn check(
    is_fit: bool,
    key: &'static str,
    value: &impl ToString,
    rule: &'static str,
) -> Result<(), InvalidSetting> {
    if is_fit { Ok(()) } else { Err(InvalidSetting { key, value: value.to_string(), rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named_with_its_rule() {
        assert_eq!(TelemetrySettings::default().validate(), Ok(()));
        let said = |change: fn(&mut TelemetrySettings)| {
            let mut settings = TelemetrySettings::default();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert_eq!(said(|s| s.sampling = 1.5), "`telemetry.sampling` is 1.5: it must be 0 to 1");
        assert_eq!(said(|s| s.sampling = f64::NAN), "`telemetry.sampling` is NaN: it must be 0 to 1");
        assert_eq!(said(|s| s.slow = Duration::ZERO), "`telemetry.slow` is 0s: it must be 1ms to 1h");
        assert!(said(|s| s.metrics_interval = Duration::from_millis(10)).contains("10ms"));
        assert!(said(|s| s.max_sales = 10_001).contains("`telemetry.max_sales`"));
    }

    #[test]
    fn a_collector_is_reached_by_plain_http_and_its_password_is_not_shown() {
        let with = |url: &str| {
            let otlp_endpoint = Some(ConnectionUrl::new(url));
            TelemetrySettings { otlp_endpoint, ..TelemetrySettings::default() }.validate()
        };
        assert_eq!(with("http://collector:4317"), Ok(()));
        for url in ["collector:4317", "https://collector:4317", "grpc://collector", "not a url", ""] {
            let message = with(url).unwrap_err().to_string();
            assert!(message.contains("write http://HOST:4317"), "{message}");
        }
        let message = with("https://user:secret@collector:4317").unwrap_err().to_string();
        assert!(!message.contains("secret"), "{message}");
    }
}
