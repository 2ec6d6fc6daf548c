//! Taking turns.

use std::sync::atomic::{AtomicUsize, Ordering};

/// At least one of something, used in turn.
#[derive(Debug)]
pub(crate) struct Rotation<T> {
    first: T,
    rest: Vec<T>,
    turn: AtomicUsize,
}

impl<T> Rotation<T> {
    pub(crate) fn new(first: T, rest: Vec<T>) -> Self {
        Self { first, rest, turn: AtomicUsize::new(0) }
    }

    /// Whoever's turn it is.
    pub(crate) fn next(&self) -> &T {
        self.in_turn().next().unwrap_or(&self.first)
    }

    /// The one with the smallest key; of several, the one whose turn comes first.
    pub(crate) fn least_by_key<K: Ord>(&self, key: impl FnMut(&&T) -> K) -> &T {
        if self.rest.is_empty() {
            return &self.first;
        }
        self.in_turn().min_by_key(key).unwrap_or(&self.first)
    }

    /// Each once, beginning with whoever's turn it is.
    fn in_turn(&self) -> impl Iterator<Item = &T> {
        let count = self.rest.len() + 1;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        std::iter::once(&self.first).chain(&self.rest).cycle().skip(turn).take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Rotation;

    #[test]
    fn everyone_has_a_turn() {
        let letters = Rotation::new('a', vec!['b', 'c']);
        let seen: String = (0..7).map(|_| *letters.next()).collect();
        assert_eq!(seen, "abcabca");
    }

    #[test]
    fn the_least_wins_and_ties_rotate() {
        let numbers = Rotation::new(2, vec![1, 3, 1]);
        assert_eq!(
            (0..4).map(|_| *numbers.least_by_key(|number| **number)).collect::<Vec<_>>(),
            [1, 1, 1, 1]
        );
        let ties = Rotation::new((0, 'a'), vec![(0, 'b')]);
        let seen: String = (0..4).map(|_| ties.least_by_key(|(key, _)| *key).1).collect();
        assert_eq!(seen, "abab");
    }
}
