//! Contradictions between the answers that buyers get during the sale.

/// Maximum number of examples of one kind.
const MAX_EXAMPLES: usize = 3;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A position is higher than one before.
    Rose,
    /// A position is outside of its known bounds.
    Wrong,
    /// An answer contradicts an earlier one.
    Stale,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rose, Self::Wrong, Self::Stale];
}

/// Counts of contradictions, and the first of each kind in words.
#[derive(Debug, Clone, Default)]
pub struct Contradictions {
    seen: [Seen; Kind::ALL.len()],
}

#[derive(Debug, Clone, Default)]
struct Seen {
    count: u64,
    examples: Vec<String>,
}

impl Contradictions {
    /// Records one. `words` is only called if the text is kept.
    pub fn note(&mut self, kind: Kind, words: impl FnOnce() -> String) {
        let seen = &mut self.seen[kind as usize];
        seen.count += 1;
        if seen.examples.len() < MAX_EXAMPLES {
            seen.examples.push(words());
        }
    }

    /// How many of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.seen[kind as usize].count
    }

    /// The first of a kind.
    pub fn examples(&self, kind: Kind) -> &[String] {
        &self.seen[kind as usize].examples
    }

    /// Adds those of other buyers.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.seen.iter_mut().zip(other.seen) {
            mine.count += theirs.count;
            let room = MAX_EXAMPLES.saturating_sub(mine.examples.len());
            mine.examples.extend(theirs.examples.into_iter().take(room));
        }
    }
}
