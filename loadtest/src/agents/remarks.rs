//! Which agents fell behind.

use std::time::Duration;

use crate::measure::Results;

/// An agent that sends more than this share of its calls late has fallen behind.
const LATE_SHARE: f64 = 0.01;

/// An agent that takes so much longer than the median of all has fallen behind.
const SLOWER: f64 = 1.2;

/// Below this, differences in time mean nothing.
const SHORT: Duration = Duration::from_secs(1);

/// What must be known about agents before the merged results are believed, one sentence each.
pub(super) fn remarks(parts: &[(String, &Results)]) -> Vec<String> {
    let mut times: Vec<Duration> = parts.iter().map(|(_, results)| results.took).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    parts.iter().flat_map(|(agent, results)| of_agent(agent, results, median)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shares are compared with a hundredth")]
fn of_agent(agent: &str, results: &Results, median: Duration) -> Vec<String> {
    let mut remarks = Vec::new();
    let count = results.count();
    if results.late as f64 > count as f64 * LATE_SHARE {
        remarks.push(format!(
            "agent {agent} fell behind: it sent {} of its {count} calls more than {:?} late, the latest {:?}",
            results.late,
            Results::LATE,
            results.latest,
        ));
    }
    if results.unsent > 0 {
        let unsent = results.unsent;
        remarks.push(format!("agent {agent} left {unsent} calls unsent that were due: too many were in flight, or it was too slow"));
    }
    if results.took > median.mul_f64(SLOWER) && results.took > median + SHORT {
        remarks.push(format!(
            "agent {agent} fell behind: it took {:?}, half of the agents {median:?}",
            results.took
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::measure::Code;

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
        let remarks = remarks(&parts);
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(
            remarks[0].contains("late fell behind") && remarks[0].contains("11 of its 1000"),
            "{remarks:?}"
        );
        assert!(remarks[1].contains("slow fell behind"), "{remarks:?}");
    }
}
