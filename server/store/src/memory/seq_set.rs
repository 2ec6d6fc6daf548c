//! A set of seqs that counts how many of its seqs are lower than a given one.

use inrush_core::ticket::Seq;

const BITS: u64 = u64::BITS as u64;

/// A bit for each seq up to the highest one in the set, and a Fenwick tree over the words of bits: a count takes time
/// logarithmic in the queue's length.
#[derive(Clone, Debug, Default)]
pub(super) struct SeqSet {
    words: Vec<u64>,
    /// Node `i` counts the bits of the words `i & (i + 1) ..= i`.
    tree: Vec<u64>,
}

impl SeqSet {
    /// Adds `seq`. The caller guarantees that it is not there yet.
    pub(super) fn insert(&mut self, seq: Seq) {
        let index = word_of(seq);
        while self.words.len() <= index {
            self.push_empty_word();
        }
        if let Some(word) = self.words.get_mut(index) {
            *word |= bit_of(seq);
        }
        let mut node = index;
        while let Some(count) = self.tree.get_mut(node) {
            *count += 1;
            node |= node + 1;
        }
    }

    /// Whether `seq` was added.
    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.words.get(word_of(seq)).is_some_and(|word| word & bit_of(seq) != 0)
    }

    /// How many seqs lower than `seq` were added.
    pub(super) fn below(&self, seq: Seq) -> u64 {
        let index = word_of(seq);
        let in_word = self.words.get(index).map_or(0, |word| (word & (bit_of(seq) - 1)).count_ones());
        self.in_words_before(index.min(self.words.len())) + u64::from(in_word)
    }

    /// How many seqs were added.
    pub(super) fn len(&self) -> u64 {
        self.in_words_before(self.words.len())
    }

    fn push_empty_word(&mut self) {
        let node = self.words.len();
        let covered_before = self.in_words_before(node) - self.in_words_before(node & (node + 1));
        self.words.push(0);
        self.tree.push(covered_before);
    }

    fn in_words_before(&self, mut end: usize) -> u64 {
        let mut sum = 0;
        while let Some(count) = end.checked_sub(1).and_then(|node| self.tree.get(node)) {
            sum += count;
            end &= end - 1;
        }
        sum
    }
}

fn word_of(seq: Seq) -> usize {
    usize::try_from(seq / BITS).unwrap_or(usize::MAX)
}

const fn bit_of(seq: Seq) -> u64 {
    1 << (seq % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_equal_those_of_a_plain_set(
            seqs in proptest::collection::btree_set(1_u64..20_000, 0..300),
            order in any::<u64>(),
            looked_up in proptest::collection::vec(0_u64..21_000, 20),
        ) {
            let mut shuffled: Vec<Seq> = seqs.iter().copied().collect();
            shuffled.sort_by_key(|seq| (seq ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut set = SeqSet::default();
            let mut plain = BTreeSet::new();
            for seq in shuffled {
                set.insert(seq);
                plain.insert(seq);
                prop_assert_eq!(set.len(), plain.len() as u64);
            }
            for seq in looked_up {
                prop_assert_eq!(set.below(seq), plain.range(..seq).count() as u64);
                prop_assert_eq!(set.contains(seq), plain.contains(&seq));
            }
        }
    }
}
