//! The search for the best limit: a change that pays is kept and followed by another in the same direction; one that does
//! not is taken back, and half of it is tried in the other direction. When none pays, the limit rests for a while.

/// Where the search starts: few enough for an order system that bears little, and enough for claims of some size.
pub(super) const START: usize = 256;

/// The first change, and the largest: the limit doubles until that no longer pays, so it needs ten rounds for a thousandfold.
const LARGEST_CHANGE: f64 = 2.0;

/// The smallest. Less would drown in chance.
const SMALLEST_CHANGE: f64 = 1.09;

/// The first change after a rest.
const CHANGE_AFTER_REST: f64 = 1.2;

/// By what power a change grows that has paid.
const GROWTH: f64 = 1.5;

/// Rounds without a change after all have been tried. A change that does not pay costs up to its size for one round, so
/// what the search costs is below one per cent.
const REST: u32 = 16;

/// What becomes of the limit when the order system cannot do its work.
const AFTER_COLLAPSE: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Where the search stands.
#[derive(Debug)]
pub(super) struct Search {
    floor: usize,
    ceiling: usize,
    /// The best limit so far, and its score.
    best: f64,
    score: f64,
    /// Whether the limit is changed just now to see if that pays.
    trying: bool,
    change: f64,
    direction: Direction,
    /// Rounds of rest that are left.
    rest: u32,
}

impl Search {
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn between(floor: usize, ceiling: usize) -> Self {
        Self {
            floor,
            ceiling,
            best: START.clamp(floor, ceiling) as f64,
            score: f64::NEG_INFINITY,
            trying: false,
            change: LARGEST_CHANGE,
            direction: Direction::Up,
            rest: 0,
        }
    }

    pub(super) const fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// The factor by which the limit changes, or will change next.
    pub(super) const fn change(&self) -> f64 {
        self.change
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the result is clamped"
    )]
    pub(super) fn limit(&self) -> usize {
        let limit = match (self.trying, self.direction) {
            (false, _) => self.best,
            (true, Direction::Up) => (self.best * self.change).ceil(),
            (true, Direction::Down) => (self.best / self.change).floor(),
        };
        (limit as usize).clamp(self.floor, self.ceiling)
    }

    /// A round under the present limit has ended with this score.
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn conclude(&mut self, score: f64) {
        if self.trying && score <= self.score {
            return self.take_back();
        }
        self.score = score;
        if self.trying {
            self.best = self.limit() as f64;
            self.change = self.change.powf(GROWTH).min(LARGEST_CHANGE);
        } else if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        self.try_change();
    }

    /// The order system cannot do its work under the present limit.
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn collapse(&mut self) {
        if self.trying && self.direction == Direction::Up {
            return self.take_back();
        }
        let halved = Self { best: self.best * AFTER_COLLAPSE, ..Self::between(self.floor, self.ceiling) };
        *self = Self { best: halved.limit() as f64, ..halved };
    }

    /// Turns round where a bound is in the way.
    fn try_change(&mut self) {
        self.trying = false;
        let unchanged = self.limit();
        self.trying = true;
        if self.limit() == unchanged {
            self.direction = self.direction.opposite();
        }
    }

    /// The next round measures the best limit anew, so that each change is compared with what was just before it.
    fn take_back(&mut self) {
        self.trying = false;
        self.direction = self.direction.opposite();
        if self.change > SMALLEST_CHANGE {
            self.change = self.change.sqrt().max(SMALLEST_CHANGE);
        } else {
            self.change = CHANGE_AFTER_REST;
            self.rest = REST;
        }
    }
}

impl Direction {
    const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}
