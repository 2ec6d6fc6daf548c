//! Counters per label value, counted on many cores concurrently.
//!
//! As with a [histogram](super::Histogram), each thread counts in cells of its own, which are summed when metrics
//! are read. [`LabelLimiter`] decides which values have a row of their own; all others share one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::label_limiter::{LabelLimiter, OTHER_LABEL};

/// Values without a row of their own that a thread caches. A thread that meets more asks the limiter about each
/// of them.
const MAX_CACHED: usize = 4096;

/// Several counts for each value of a label. Clones share them.
#[derive(Clone, Debug)]
pub struct ShardedCounter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limiter: LabelLimiter,
    columns: usize,
    rows: Mutex<HashMap<Arc<str>, Row>>,
}

#[derive(Debug, Default)]
struct Row {
    /// The cells of each thread that has counted here.
    cells: Vec<Cells>,
    /// The sum of all cells at the last read.
    last_sum: u64,
}

type Cells = Arc<[AtomicU64]>;

/// Counts on one thread.
#[derive(Debug)]
pub struct LocalCounter {
    shared: Arc<Shared>,
    // Never contended: the lock is there because a call can move between threads before it is served.
    cache: Mutex<Cache>,
}

/// The cells of the values that this thread has met.
#[derive(Debug, Default)]
struct Cache {
    /// [`LabelLimiter::evictions`] when the rows were cached.
    evictions: u64,
    rows: HashMap<Arc<str>, Cells>,
    other: Option<Cells>,
}

impl ShardedCounter {
    /// A counter with `columns` counts for each value, identified by their index.
    pub(crate) fn new(limiter: LabelLimiter, columns: usize) -> Self {
        Self { shared: Arc::new(Shared { limiter, columns, rows: Mutex::default() }) }
    }

    /// A counter for one thread.
    #[must_use]
    pub fn local(&self) -> LocalCounter {
        LocalCounter { shared: Arc::clone(&self.shared), cache: Mutex::default() }
    }

    /// Every value with its counts. Values that were idle for long are removed.
    #[must_use]
    pub fn counts(&self) -> Vec<(Arc<str>, Vec<u64>)> {
        self.counts_at(Instant::now())
    }

    fn counts_at(&self, now: Instant) -> Vec<(Arc<str>, Vec<u64>)> {
        let Shared { limiter, columns, rows } = &*self.shared;
        let mut rows = rows.lock();
        let mut counts = Vec::with_capacity(rows.len());
        for (value, row) in rows.iter_mut() {
            let totals = row.totals(*columns);
            let sum = totals.iter().fold(0, |sum: u64, count| sum.wrapping_add(*count));
            if std::mem::replace(&mut row.last_sum, sum) != sum && &**value != OTHER_LABEL {
                limiter.touch_at(value, now);
            }
            counts.push((Arc::clone(value), totals));
        }
        limiter.evict_idle(now);
        rows.retain(|value, _| &**value == OTHER_LABEL || limiter.contains(value));
        counts.retain(|(value, _)| rows.contains_key(value));
        counts
    }
}

impl Row {
    fn totals(&self, columns: usize) -> Vec<u64> {
        let cells = |column| self.cells.iter().filter_map(move |cells| cells.get(column));
        (0..columns).map(|column| cells(column).map(|cell| cell.load(Ordering::Relaxed)).sum()).collect()
    }
}

impl LocalCounter {
    /// Adds to counts of a value, each identified by its index. A count that does not exist is ignored.
    pub fn add(&self, value: &str, counts: &[(usize, u64)]) {
        let mut cache = self.cache.lock();
        let evictions = self.shared.limiter.evictions();
        if cache.evictions != evictions {
            // The shared row stays: it is never evicted.
            *cache = Cache { evictions, other: cache.other.take(), rows: HashMap::new() };
        }
        if let Some(cells) = cache.rows.get(value) {
            return add(cells, counts);
        }
        let cells = self.look_up(&mut cache, value);
        add(&cells, counts);
    }

    /// Asks the limiter whether the value has a row of its own, and caches the answer.
    fn look_up(&self, cache: &mut Cache, value: &str) -> Cells {
        let Shared { limiter, columns, rows } = &*self.shared;
        let own = limiter.touch(value);
        let is_own = own.is_some();
        let new = || {
            let cells: Cells = (0..*columns).map(|_| AtomicU64::new(0)).collect();
            let value = own.clone().unwrap_or_else(|| OTHER_LABEL.into());
            rows.lock().entry(value).or_default().cells.push(Arc::clone(&cells));
            cells
        };
        let cells = if is_own { new() } else { Arc::clone(cache.other.get_or_insert_with(new)) };
        if is_own || cache.rows.len() < MAX_CACHED {
            cache.rows.insert(value.into(), Arc::clone(&cells));
        }
        cells
    }
}

fn add(cells: &Cells, counts: &[(usize, u64)]) {
    for (column, count) in counts {
        if let Some(cell) = cells.get(*column) {
            cell.fetch_add(*count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::label_limiter::IDLE_TIMEOUT;

    fn counts(counter: &ShardedCounter, at: Instant) -> BTreeMap<String, Vec<u64>> {
        counter.counts_at(at).into_iter().map(|(value, counts)| (value.to_string(), counts)).collect()
    }

    #[test]
    fn threads_are_summed_and_late_values_share_a_row() {
        let counter = ShardedCounter::new(LabelLimiter::new(2), 2);
        let threads = (0..3).map(|_| {
            let local = counter.local();
            std::thread::spawn(move || {
                for value in ["a", "b"] {
                    (0..100).for_each(|_| local.add(value, &[(0, 1)]));
                    local.add(value, &[(1, 7)]);
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let local = counter.local();
        local.add("c", &[(0, 5)]);
        local.add("d", &[(0, 6)]);
        local.add("a", &[(9, 1)]);
        let counts = counts(&counter, Instant::now());
        assert_eq!(counts["a"], [300, 21]);
        assert_eq!(counts["b"], [300, 21]);
        assert_eq!(counts[OTHER_LABEL], [11, 0]);
        assert_eq!(counts.len(), 3);
    }

    #[test]
    fn an_idle_value_is_evicted_and_another_gets_its_row() {
        let counter = ShardedCounter::new(LabelLimiter::new(1), 1);
        let local = counter.local();
        let start = Instant::now();
        local.add("a", &[(0, 1)]);
        local.add("b", &[(0, 1)]);
        assert_eq!(counts(&counter, start)["a"], [1]);
        let later = start + IDLE_TIMEOUT * 2;
        assert!(!counts(&counter, later).contains_key("a"));
        local.add("b", &[(0, 1)]);
        let counts = counts(&counter, Instant::now());
        assert_eq!((&counts["b"][..], &counts[OTHER_LABEL][..]), (&[1][..], &[1][..]));
    }

    #[test]
    fn a_busy_value_keeps_its_row() {
        let counter = ShardedCounter::new(LabelLimiter::new(1), 1);
        let local = counter.local();
        let start = Instant::now();
        for hour in 1..5_u64 {
            local.add("a", &[(0, 1)]);
            assert_eq!(counts(&counter, start + IDLE_TIMEOUT * u32::try_from(hour).unwrap())["a"], [hour]);
        }
    }
}
