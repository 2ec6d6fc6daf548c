//! A run cut into short pieces, so that others like it can be made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// So many pieces are enough to draw from; more are joined, which costs nothing but time.
const MOST_PIECES: usize = 600;

/// A short part of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece<Latency = u64> {
    /// Calls that failed.
    pub(super) failed: u64,
    /// Latencies of all calls that ended, in microseconds if nothing else is said, and how many calls had each.
    pub(super) latencies: Vec<(Latency, u64)>,
}

/// The pieces of a run, all of the same width, in the order of time.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    width: Duration,
    pieces: Vec<Piece>,
}

impl Pieces {
    pub(super) fn new(width: Duration, pieces: &[Piece]) -> Self {
        let each = pieces.len().div_ceil(MOST_PIECES).max(1);
        // Pieces at the end that do not fill a joined one are left out: it would be shorter than the others.
        let joined = pieces.chunks_exact(each).map(join).collect();
        Self { width: width * u32::try_from(each).unwrap_or(u32::MAX), pieces: joined }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// How many calls are in them.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.pieces.iter().flat_map(|piece| &piece.latencies).map(|(_, count)| count).sum()
    }

    /// How many pieces hold a latency beyond a limit.
    pub(super) fn places_beyond(&self, limit: u64) -> usize {
        let beyond = |piece: &&Piece| piece.latencies.iter().any(|(value, _)| *value > limit);
        self.pieces.iter().filter(beyond).count()
    }

    /// All latencies that occur, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = u64> {
        let values: BTreeSet<u64> =
            self.pieces.iter().flat_map(|piece| &piece.latencies).map(|(value, _)| *value).collect();
        values.into_iter()
    }

    /// The pieces with the places of their latencies among `values`, which are in order.
    pub(super) fn placed(&self, values: &[u64]) -> Placed {
        let place =
            |(value, count): &(u64, u64)| values.binary_search(value).ok().map(|place| (place, *count));
        let placed = self.pieces.iter().map(|piece| Piece {
            failed: piece.failed,
            latencies: piece.latencies.iter().filter_map(place).collect(),
        });
        Placed { width: self.width, values: values.len(), pieces: placed.collect() }
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

/// Pieces whose latencies are places among the latencies of two runs.
#[derive(Debug)]
pub(super) struct Placed {
    /// How long a piece is.
    pub(super) width: Duration,
    /// How many latencies there are.
    pub(super) values: usize,
    pub(super) pieces: Vec<Piece<usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_get_their_places() {
        let piece = Piece { failed: 1, latencies: vec![(10, 2), (30, 1)] };
        let placed = Pieces::new(Duration::from_secs(1), &[piece]).placed(&[10, 20, 30]);
        assert_eq!(placed.pieces[0].latencies, [(0, 2), (2, 1)]);
        assert_eq!((placed.pieces[0].failed, placed.values), (1, 3));
    }

    #[test]
    fn many_pieces_are_joined() {
        let piece = Piece { failed: 1, latencies: vec![(10, 1)] };
        let pieces = Pieces::new(Duration::from_millis(250), &vec![piece; 1_201]);
        assert_eq!((pieces.len(), pieces.count(), pieces.width), (400, 1_200, Duration::from_millis(750)));
    }
}
