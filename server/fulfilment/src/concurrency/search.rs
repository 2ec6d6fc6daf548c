//! The search for the best limit. A step that improves the score is kept and followed by another in the same
//! direction; one that does not is reverted, and half of it is tried in the other direction. When no step
//! improves the score, the limit is held for a while.

/// The first limit: low enough for a weak order system, high enough for claims of some size.
pub(super) const INITIAL_LIMIT: usize = 256;

/// The first and the largest step: the limit doubles until that brings no gain, so a thousandfold takes ten
/// rounds.
const MAX_STEP: f64 = 2.0;

/// The smallest step. A smaller one would be lost in noise.
const MIN_STEP: f64 = 1.09;

/// The first step after a hold.
const STEP_AFTER_HOLD: f64 = 1.2;

/// The exponent by which a step grows that has improved the score.
const STEP_GROWTH: f64 = 1.5;

/// Rounds without a step after all steps have failed. A step without gain costs up to its size for one round,
/// so the search costs less than one per cent.
const HOLD_ROUNDS: u32 = 16;

/// The factor applied to the limit when the order system fails most entries.
const COLLAPSE_FACTOR: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// The state of the search.
#[derive(Debug)]
pub(super) struct Search {
    floor: usize,
    ceiling: usize,
    /// The best limit so far, and its score.
    best: f64,
    score: f64,
    /// Whether a step away from the best limit is being tried.
    probing: bool,
    step: f64,
    direction: Direction,
    /// Remaining rounds of the hold.
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

    /// The factor of the current or the next step.
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

    /// A round under the current limit has ended with this score.
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

    /// The order system fails most entries under the current limit.
    #[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
    pub(super) fn collapse(&mut self) {
        if self.probing && self.direction == Direction::Up {
            return self.revert();
        }
        let halved = Self { best: self.best * COLLAPSE_FACTOR, ..Self::between(self.floor, self.ceiling) };
        *self = Self { best: halved.limit() as f64, ..halved };
    }

    /// Turns around if a bound is in the way.
    fn try_step(&mut self) {
        self.probing = false;
        let unchanged = self.limit();
        self.probing = true;
        if self.limit() == unchanged {
            self.direction = self.direction.opposite();
        }
    }

    /// The next round measures the best limit again, so that each step is compared with the round just before
    /// it.
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
