//! Warnings about agents that fell behind.

use std::time::Duration;

use inrush_report::measure::Results;

/// Share of late calls above which an agent has fallen behind.
const MAX_LATE_SHARE: f64 = 0.01;

/// Ratio of an agent's time to the median of all agents above which it has fallen behind.
const MAX_SLOWNESS: f64 = 1.2;

/// Smaller differences in time are ignored.
const MIN_DIFFERENCE: Duration = Duration::from_secs(1);

/// What the user must know about the agents before trusting the merged results, one sentence each.
pub(super) fn warnings(parts: &[(String, &Results)]) -> Vec<String> {
    let mut times: Vec<Duration> = parts.iter().map(|(_, results)| results.took).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    parts.iter().flat_map(|(agent, results)| agent_warnings(agent, results, median)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shares are compared with a hundredth")]
fn agent_warnings(agent: &str, results: &Results, median: Duration) -> Vec<String> {
    let Results { late, latest, unsent, took, .. } = results;
    let count = results.count();
    let mut warnings = Vec::new();
    if *late as f64 > count as f64 * MAX_LATE_SHARE {
        let limit = Results::LATE;
        warnings.push(format!(
            "agent {agent} fell behind: {late} of its {count} calls were sent more than {limit:?} late, at most {latest:?}"
        ));
    }
    if *unsent > 0 {
        warnings.push(format!(
            "agent {agent} did not send {unsent} due calls: too many were in flight, or it was too slow"
        ));
    }
    if *took > median.mul_f64(MAX_SLOWNESS) && *took > median + MIN_DIFFERENCE {
        warnings.push(format!("agent {agent} fell behind: it took {took:?}, the median agent {median:?}"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use inrush_report::measure::Code;

    use super::*;

    fn results(count: u64, late: u64, seconds: u64) -> Results {
        let mut results = Results::new(SystemTime::now(), true, Duration::from_secs(1), 0);
        results.codes[Code::Ok.index()] = count;
        results.late = late;
        results.took = Duration::from_secs(seconds);
        results
    }

    #[test]
    fn only_agents_that_fell_behind_are_named() {
        let parts = [results(1_000, 10, 10), results(1_000, 11, 10), results(1_000, 0, 14)];
        let names = ["good", "late", "slow"];
        let parts: Vec<(String, &Results)> = names.into_iter().map(str::to_owned).zip(&parts).collect();
        let warnings = warnings(&parts);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("late fell behind") && warnings[0].contains("11 of its 1000"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("slow fell behind"), "{warnings:?}");
    }
}
