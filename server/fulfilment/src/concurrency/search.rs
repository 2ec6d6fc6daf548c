//! The search for the best limit: a change that pays is kept and followed by another in the same direction; one that does
//! not is taken back, and half of it is tried in the other direction. When none pays, the limit rests for a while.

/// Where the search starts: few enough for an order system that bears little, and enough for claims of some size.
pub(super) const INITIAL_LIMIT: usize = 256;

/// The first change, and the largest: the limit doubles until that no longer pays, so it needs ten rounds for a thousandfold.
const MAX_STEP: f64 = 2.0;

/// The smallest. Less would drown in chance.
const MIN_STEP: f64 = 1.09;

/// The first change after a rest.
const STEP_AFTER_HOLD: f64 = 1.2;

/// By what power a change grows that has paid.
const STEP_GROWTH: f64 = 1.5;

/// Rounds without a change after all have been tried. A change that does not pay costs up to its size for one round, so
/// what the search costs is below one per cent.
const HOLD_ROUNDS: u32 = 16;

/// What becomes of the limit when the order system cannot do its work.
const COLLAPSE_FACTOR: f64 = 0.5;

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
    probing: bool,
    step: f64,
    direction: Direction,
    /// Rounds of rest that are left.
    hold_rounds: u32,
}

impl Search {
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn between(floor: usize, ceiling: usize) -> Self {
        Self {
            floor,
            ceiling,
            best: INITIAL_LIMIT.clamp(floor, ceiling) as f64,
            score: f64::NEG_INFINITY,
            probing: false,
            step: MAX_STEP,
            direction: Direction::Up,
            hold_rounds: 0,
        }
    }

    pub(super) const fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// The factor by which the limit changes, or will change next.
    pub(super) const fn step(&self) -> f64 {
        self.step
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the result is clamped"
    )]
    pub(super) fn limit(&self) -> usize {
        let limit = match (self.probing, self.direction) {
            (false, _) => self.best,
            (true, Direction::Up) => (self.best * self.step).ceil(),
            (true, Direction::Down) => (self.best / self.step).floor(),
        };
        (limit as usize).clamp(self.floor, self.ceiling)
    }

    /// A round under the present limit has ended with this score.
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn conclude(&mut self, score: f64) {
        if self.probing && score <= self.score {
            return self.revert();
        }
        self.score = score;
        if self.probing {
            self.best = self.limit() as f64;
            self.step = self.step.powf(STEP_GROWTH).min(MAX_STEP);
        } else if self.hold_rounds > 0 {
            self.hold_rounds -= 1;
            return;
        }
        self.try_step();
    }

    /// The order system cannot do its work under the present limit.
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn collapse(&mut self) {
        if self.probing && self.direction == Direction::Up {
            return self.revert();
        }
        let halved = Self { best: self.best * COLLAPSE_FACTOR, ..Self::between(self.floor, self.ceiling) };
        *self = Self { best: halved.limit() as f64, ..halved };
    }

    /// Turns round where a bound is in the way.
    fn try_step(&mut self) {
        self.probing = false;
        let unchanged = self.limit();
        self.probing = true;
        if self.limit() == unchanged {
            self.direction = self.direction.opposite();
        }
    }

    /// The next round measures the best limit anew, so that each change is compared with what was just before it.
    fn revert(&mut self) {
        self.probing = false;
        self.direction = self.direction.opposite();
        if self.step > MIN_STEP {
            self.step = self.step.sqrt().max(MIN_STEP);
        } else {
            self.step = STEP_AFTER_HOLD;
            self.hold_rounds = HOLD_ROUNDS;
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
