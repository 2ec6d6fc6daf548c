//! The settings of telemetry.

use std::time::Duration;

use tonic::transport::Endpoint;

use inrush_runtime::connection_url::ConnectionUrl;
use inrush_runtime::settings;

/// Each sale has a few dozen series: a higher number is a typing error.
const MAX_SALES: usize = 10_000;

const MIN_SLOW_CALL_THRESHOLD: Duration = Duration::from_millis(1);
const MAX_SLOW_CALL_THRESHOLD: Duration = Duration::from_secs(3600);
const MIN_METRICS_INTERVAL: Duration = Duration::from_secs(1);
const MAX_METRICS_INTERVAL: Duration = Duration::from_secs(3600);

settings! {
    /// Metrics and traces, and their export.
    #[derive(Clone, Debug, PartialEq)]
    pub struct TelemetrySettings {
        /// URL of the OpenTelemetry collector for traces, metrics and logs, by OTLP over gRPC:
        /// `http://HOST:4317`. Unset: nothing is exported.
        pub otlp_endpoint: Option<ConnectionUrl>,
        /// Ratio of calls that are traced: 0 to 1. It holds for calls without `traceparent`; otherwise the caller
        /// decides.
        pub sampling_ratio: f64 = 0.1,
        /// Calls that take longer are always traced: 1 ms to 1 h.
        #[serde(with = "humantime_serde")]
        pub slow_call_threshold: Duration = Duration::from_secs(1),
        /// Time between two exports of metrics: 1 s to 1 h.
        #[serde(with = "humantime_serde")]
        pub metrics_interval: Duration = Duration::from_secs(15),
        /// Maximum number of sales with their own series; further sales share the label `_OTHER`: 0 to 10,000.
        pub max_sales: usize = 50,
    }
}

/// A telemetry setting that is out of range.
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
    /// The first setting that is out of range, and its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if let Some(endpoint) = &self.otlp_endpoint {
            let is_valid =
                Endpoint::from_shared(endpoint.expose().to_owned()).is_ok_and(|endpoint| is_plain(&endpoint));
            check(is_valid, "otlp_endpoint", endpoint, "write http://HOST:4317, the collector's gRPC port")?;
        }
        check(
            (0.0..=1.0).contains(&self.sampling_ratio),
            "sampling_ratio",
            &self.sampling_ratio,
            "it must be 0 to 1",
        )?;
        let threshold = humantime_serde::re::humantime::format_duration(self.slow_call_threshold);
        check(
            (MIN_SLOW_CALL_THRESHOLD..=MAX_SLOW_CALL_THRESHOLD).contains(&self.slow_call_threshold),
            "slow_call_threshold",
            &threshold,
            "it must be 1ms to 1h",
        )?;
        let interval = humantime_serde::re::humantime::format_duration(self.metrics_interval);
        let is_valid = (MIN_METRICS_INTERVAL..=MAX_METRICS_INTERVAL).contains(&self.metrics_interval);
        check(is_valid, "metrics_interval", &interval, "it must be 1s to 1h")?;
        check(self.max_sales <= MAX_SALES, "max_sales", &self.max_sales, "it must be 0 to 10000")
    }
}

/// The collector is on the same machine or network: a remote one is reached through a local one, without TLS from
/// here.
fn is_plain(endpoint: &Endpoint) -> bool {
    endpoint.uri().scheme_str() == Some("http") && endpoint.uri().host().is_some()
}

fn check(
    is_valid: bool,
    key: &'static str,
    value: &impl ToString,
    rule: &'static str,
) -> Result<(), InvalidSetting> {
    if is_valid { Ok(()) } else { Err(InvalidSetting { key, value: value.to_string(), rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_setting_and_its_range() {
        assert_eq!(TelemetrySettings::default().validate(), Ok(()));
        let message = |change: fn(&mut TelemetrySettings)| {
            let mut settings = TelemetrySettings::default();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert_eq!(
            message(|s| s.sampling_ratio = 1.5),
            "`telemetry.sampling_ratio` is 1.5: it must be 0 to 1"
        );
        assert_eq!(
            message(|s| s.sampling_ratio = f64::NAN),
            "`telemetry.sampling_ratio` is NaN: it must be 0 to 1"
        );
        assert_eq!(
            message(|s| s.slow_call_threshold = Duration::ZERO),
            "`telemetry.slow_call_threshold` is 0s: it must be 1ms to 1h"
        );
        assert!(message(|s| s.metrics_interval = Duration::from_millis(10)).contains("10ms"));
        assert!(message(|s| s.max_sales = 10_001).contains("`telemetry.max_sales`"));
    }

    #[test]
    fn the_endpoint_is_plain_http_and_errors_hide_its_password() {
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
