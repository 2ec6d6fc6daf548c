//! Counting by name, on many cores at once.
//!
//! As with a [histogram](super::Histogram), each thread counts in cells of its own, which are added up when somebody looks.
//! Which names have a row of their own is decided by [`Names`]; all others share one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::names::{Names, OTHERS};

/// Names that a thread remembers without a row of their own. A thread that meets more asks about each of them.
const MOST_REMEMBERED: usize = 4096;

/// Counts by name, several to each. Clones share them.
#[derive(Clone, Debug)]
pub struct Tally {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Names,
    columns: usize,
    rows: Mutex<HashMap<Arc<str>, Row>>,
}

#[derive(Debug, Default)]
struct Row {
    /// One set of cells for each thread that has counted here.
    cells: Vec<Cells>,
    /// The sum of all cells when somebody looked last.
    seen: u64,
}

type Cells = Arc<[AtomicU64]>;

/// One thread's way to count.
#[derive(Debug)]
pub struct Teller {
    shared: Arc<Shared>,
    // Never fought over: the lock is there so that calls can be moved between threads before they are served.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What [`Names::departures`] said when these were learnt.
    departures: u64,
    rows: HashMap<Arc<str>, Cells>,
    others: Option<Cells>,
}

impl Tally {
    /// Nothing counted yet. Each name has so many counts, which are known by their place.
    pub(super) fn new(names: Names, columns: usize) -> Self {
        Self { shared: Arc::new(Shared { names, columns, rows: Mutex::default() }) }
    }

    /// A way to count for one thread.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller { shared: Arc::clone(&self.shared), known: Mutex::default() }
    }

    /// Every name with its counts. Names that nobody has counted for long are left out, and forgotten.
    #[must_use]
    pub fn counts(&self) -> Vec<(Arc<str>, Vec<u64>)> {
        self.counts_at(Instant::now())
    }

    fn counts_at(&self, now: Instant) -> Vec<(Arc<str>, Vec<u64>)> {
        let Shared { names, columns, .. } = &*self.shared;
        let mut rows = lock(&self.shared.rows);
        let mut counts = Vec::with_capacity(rows.len());
        for (name, row) in rows.iter_mut() {
            let totals = row.totals(*columns);
            let seen = totals.iter().fold(0, |sum: u64, count| sum.wrapping_add(*count));
            if std::mem::replace(&mut row.seen, seen) != seen && &**name != OTHERS {
                names.mention_at(name, now);
            }
            counts.push((Arc::clone(name), totals));
        }
        names.forget_old(now);
        rows.retain(|name, _| &**name == OTHERS || names.has(name));
        counts.retain(|(name, _)| rows.contains_key(name));
        counts
    }
}

impl Row {
    fn totals(&self, columns: usize) -> Vec<u64> {
        let total = |column| self.cells.iter().filter_map(move |cells| cells.get(column));
        (0..columns).map(|column| total(column).map(|cell| cell.load(Ordering::Relaxed)).sum()).collect()
    }
}

impl Teller {
    /// Adds to counts of a name, each known by its place. A count that does not exist is left alone.
    pub fn add(&self, name: &str, counts: &[(usize, u64)]) {
        let mut known = lock(&self.known);
        let departures = self.shared.names.departures();
        if known.departures != departures {
            // The row of the others stays, whoever leaves it for one of their own.
            *known = Known { departures, others: known.others.take(), rows: HashMap::new() };
        }
        if let Some(cells) = known.rows.get(name) {
            return add(cells, counts);
        }
        let cells = self.learn(&mut known, name);
        add(&cells, counts);
    }

    /// Asks whether the name has a row of its own, and remembers the answer.
    fn learn(&self, known: &mut Known, name: &str) -> Cells {
        let Shared { names, columns, rows } = &*self.shared;
        let own = names.mention(name);
        let is_own = own.is_some();
        let new = || {
            let cells: Cells = (0..*columns).map(|_| AtomicU64::new(0)).collect();
            let name = own.clone().unwrap_or_else(|| OTHERS.into());
            lock(rows).entry(name).or_default().cells.push(Arc::clone(&cells));
            cells
        };
        let cells = if is_own { new() } else { Arc::clone(known.others.get_or_insert_with(new)) };
        if is_own || known.rows.len() < MOST_REMEMBERED {
            known.rows.insert(name.into(), Arc::clone(&cells));
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

/// What is behind these locks is whole after each statement, so their poison says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::names::FORGOTTEN_AFTER;
    use super::*;

    fn counts(tally: &Tally, at: Instant) -> BTreeMap<String, Vec<u64>> {
        tally.counts_at(at).into_iter().map(|(name, counts)| (name.to_string(), counts)).collect()
    }

    #[test]
    fn threads_count_together_and_late_names_share_a_row() {
        let tally = Tally::new(Names::at_most(2), 2);
        let threads = (0..3).map(|_| {
            let teller = tally.teller();
            std::thread::spawn(move || {
                for name in ["a", "b"] {
                    (0..100).for_each(|_| teller.add(name, &[(0, 1)]));
                    teller.add(name, &[(1, 7)]);
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let teller = tally.teller();
        teller.add("c", &[(0, 5)]);
        teller.add("d", &[(0, 6)]);
        teller.add("a", &[(9, 1)]);
        let counts = counts(&tally, Instant::now());
        assert_eq!(counts["a"], [300, 21]);
        assert_eq!(counts["b"], [300, 21]);
        assert_eq!(counts[OTHERS], [11, 0]);
        assert_eq!(counts.len(), 3);
    }

    #[test]
    fn a_name_that_is_quiet_for_long_makes_room_for_another() {
        let tally = Tally::new(Names::at_most(1), 1);
        let teller = tally.teller();
        let start = Instant::now();
        teller.add("a", &[(0, 1)]);
        teller.add("b", &[(0, 1)]);
        assert_eq!(counts(&tally, start)["a"], [1]);
        let later = start + FORGOTTEN_AFTER * 2;
        assert!(!counts(&tally, later).contains_key("a"));
        teller.add("b", &[(0, 1)]);
        let counts = counts(&tally, Instant::now());
        assert_eq!((&counts["b"][..], &counts[OTHERS][..]), (&[1][..], &[1][..]));
    }

    #[test]
    fn a_name_that_is_busy_keeps_its_row() {
        let tally = Tally::new(Names::at_most(1), 1);
        let teller = tally.teller();
        let start = Instant::now();
        for hour in 1..5_u64 {
            teller.add("a", &[(0, 1)]);
            assert_eq!(counts(&tally, start + FORGOTTEN_AFTER * u32::try_from(hour).unwrap())["a"], [hour]);
        }
    }
}
