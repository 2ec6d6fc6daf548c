//! The memory of Redis in metrics and in the log: a full Redis admits no more buyers, so it is announced before.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use inrush_store::redis::{MemoryUse, RedisStore};
use inrush_telemetry::{MetricDef, Metrics};
use parking_lot::Mutex;
use tokio::time::sleep;

/// Time between two questions. An alert needs a value in each of its evaluations.
const INTERVAL: Duration = Duration::from_secs(5);

/// The use of the limit from which a warning is logged, as the alert `InrushRedisMemory` has it.
const HIGH_PERCENT: u64 = 85;

const USED: MetricDef = MetricDef::gauge(
    "inrush.store.memory.used",
    "By",
    &[],
    "Memory that Redis uses; of a cluster, that of the master that is closest to its limit",
);
const LIMIT: MetricDef = MetricDef::gauge(
    "inrush.store.memory.limit",
    "By",
    &[],
    "Memory that Redis may use (maxmemory), or 0 if it has no limit; a full Redis admits no more buyers",
);

/// The metrics of the memory of the store.
#[cfg(test)]
pub(super) const METRICS: [MetricDef; 2] = [USED, LIMIT];

/// Registers the metrics, and reads their values in a task that ends with the store.
pub(super) fn watch(store: &Arc<RedisStore>, metrics: &Metrics) {
    let latest = Arc::new(Mutex::new(None));
    for (metric, read) in
        [(USED, (|memory| memory.used) as fn(MemoryUse) -> u64), (LIMIT, |memory| memory.limit)]
    {
        let latest = Arc::clone(&latest);
        metrics.gauge(&metric, move |observer| {
            let memory: Option<MemoryUse> = *latest.lock();
            if let Some(memory) = memory {
                #[expect(clippy::cast_precision_loss, reason = "metrics are floats; exact up to 8 PiB")]
                observer.observe(read(memory) as f64, &[]);
            }
        });
    }
    tokio::spawn(read(Arc::downgrade(store), latest));
}

/// A store that does not answer has no value.
async fn read(store: Weak<RedisStore>, latest: Arc<Mutex<Option<MemoryUse>>>) {
    let mut was_high = false;
    while let Some(store) = store.upgrade() {
        let memory = store.memory().await.ok();
        drop(store);
        *latest.lock() = memory;
        if let Some(memory) = memory {
            let is_high = is_high(memory);
            if is_high && !was_high {
                tracing::warn!(
                    used = memory.used,
                    maxmemory = memory.limit,
                    "Redis is close to its memory limit; when it is full, no more buyers are admitted: raise \
                     maxmemory, or delete sales that are over"
                );
            }
            was_high = is_high;
        }
        sleep(INTERVAL).await;
    }
}

const fn is_high(memory: MemoryUse) -> bool {
    memory.limit > 0 && memory.used.saturating_mul(100) > memory.limit.saturating_mul(HIGH_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_above_85_percent_of_the_limit_is_high() {
        let high = |used, limit| is_high(MemoryUse { used, limit });
        assert!(high(86, 100) && !high(85, 100));
        assert!(!high(u64::MAX, 0), "without a limit");
    }
}
