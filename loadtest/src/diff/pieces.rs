//! A run, cut into short pieces for resampling.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Maximum number of pieces. Beyond it, neighbouring pieces are joined.
const MAX_PIECES: usize = 600;

/// A short part of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece<Latency = u64> {
    /// Number of failed calls.
    pub(super) failed: u64,
    /// The latencies of all ended calls in microseconds, or their indexes, with the number of calls.
    pub(super) latencies: Vec<(Latency, u64)>,
}

/// The pieces of a run, all of the same width, in order.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    width: Duration,
    pieces: Vec<Piece>,
}

impl Pieces {
    pub(super) fn new(width: Duration, pieces: &[Piece]) -> Self {
        let each = pieces.len().div_ceil(MAX_PIECES).max(1);
        // Pieces at the end that do not fill a joined piece are dropped, since it would be shorter than the others.
        let joined = pieces.chunks_exact(each).map(join).collect();
        Self { width: width * u32::try_from(each).unwrap_or(u32::MAX), pieces: joined }
    }

    /// Number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Number of calls.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.pieces.iter().flat_map(|piece| &piece.latencies).map(|(_, count)| count).sum()
    }

    /// Number of pieces with a latency above a limit.
    pub(super) fn pieces_above(&self, limit: u64) -> usize {
        let is_above = |piece: &&Piece| piece.latencies.iter().any(|(value, _)| *value > limit);
        self.pieces.iter().filter(is_above).count()
    }

    /// All distinct latencies, sorted.
    pub(super) fn values(&self) -> impl Iterator<Item = u64> {
        let values: BTreeSet<u64> =
            self.pieces.iter().flat_map(|piece| &piece.latencies).map(|(value, _)| *value).collect();
        values.into_iter()
    }

    /// Replaces latencies by their indexes in `values`, which are sorted.
    pub(super) fn index(&self, values: &[u64]) -> IndexedPieces {
        let index =
            |(value, count): &(u64, u64)| values.binary_search(value).ok().map(|index| (index, *count));
        let indexed = self.pieces.iter().map(|piece| Piece {
            failed: piece.failed,
            latencies: piece.latencies.iter().filter_map(index).collect(),
        });
        IndexedPieces { width: self.width, values: values.len(), pieces: indexed.collect() }
    }
}

fn join(pieces: &[Piece]) -> Piece {
    let mut latencies: BTreeMap<u64, u64> = BTreeMap::new();
    for (value, count) in pieces.iter().flat_map(|piece| &piece.latencies) {
        *latencies.entry(*value).or_default() += count;
    }
    Piece {
        failed: pieces.iter().map(|piece| piece.failed).sum(),
        latencies: latencies.into_iter().collect(),
    }
}

/// Pieces with indexes instead of latencies.
#[derive(Debug)]
pub(super) struct IndexedPieces {
    /// Length of a piece.
    pub(super) width: Duration,
    /// Number of distinct latencies.
    pub(super) values: usize,
    pub(super) pieces: Vec<Piece<usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_replaced_by_indexes() {
        let piece = Piece { failed: 1, latencies: vec![(10, 2), (30, 1)] };
        let indexed = Pieces::new(Duration::from_secs(1), &[piece]).index(&[10, 20, 30]);
        assert_eq!(indexed.pieces[0].latencies, [(0, 2), (2, 1)]);
        assert_eq!((indexed.pieces[0].failed, indexed.values), (1, 3));
    }

    #[test]
    fn neighbouring_pieces_are_joined_beyond_the_maximum() {
        let piece = Piece { failed: 1, latencies: vec![(10, 1)] };
        let pieces = Pieces::new(Duration::from_millis(250), &vec![piece; 1_201]);
        assert_eq!((pieces.len(), pieces.count(), pieces.width), (400, 1_200, Duration::from_millis(750)));
    }
}
