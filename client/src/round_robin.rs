//! Round-robin selection.

use std::sync::atomic::{AtomicUsize, Ordering};

/// At least one item, used in turn.
#[derive(Debug)]
pub(crate) struct RoundRobin<T> {
    first: T,
    others: Vec<T>,
    position: AtomicUsize,
}

impl<T> RoundRobin<T> {
    pub(crate) fn new(first: T, others: Vec<T>) -> Self {
        Self { first, others, position: AtomicUsize::new(0) }
    }

    /// The next item.
    pub(crate) fn next(&self) -> &T {
        self.rotated_from_next().next().unwrap_or(&self.first)
    }

    /// The item with the smallest key; of several, the next one in turn.
    pub(crate) fn min_by_key<K: Ord>(&self, key: impl FnMut(&&T) -> K) -> &T {
        if self.others.is_empty() {
            return &self.first;
        }
        self.rotated_from_next().min_by_key(key).unwrap_or(&self.first)
    }

    /// All items once, starting with the next.
    fn rotated_from_next(&self) -> impl Iterator<Item = &T> {
        let count = self.others.len() + 1;
        let position = self.position.fetch_add(1, Ordering::Relaxed) % count;
        std::iter::once(&self.first).chain(&self.others).cycle().skip(position).take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::RoundRobin;

    #[test]
    fn items_are_used_in_turn() {
        let letters = RoundRobin::new('a', vec!['b', 'c']);
        let seen: String = (0..7).map(|_| *letters.next()).collect();
        assert_eq!(seen, "abcabca");
    }

    #[test]
    fn the_smallest_key_is_chosen_and_ties_rotate() {
        let numbers = RoundRobin::new(2, vec![1, 3, 1]);
        assert_eq!((0..4).map(|_| *numbers.min_by_key(|number| **number)).collect::<Vec<_>>(), [1, 1, 1, 1]);
        let ties = RoundRobin::new((0, 'a'), vec![(0, 'b')]);
        let seen: String = (0..4).map(|_| ties.min_by_key(|(key, _)| *key).1).collect();
        assert_eq!(seen, "abab");
    }
}
