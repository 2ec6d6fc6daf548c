//! What a seed decides before a run: the sale, the buyers, the faults.

use std::time::Duration;

use inrush_core::{Pace, SaleSettings};

use crate::random::Random;

/// Faults begin and end within this time. All times are in milliseconds.
pub(crate) const FAULTS_END: u64 = 12_000;

/// Until then the sale comes to rest: restore windows, leases and retries are shorter.
pub(crate) const REST: u64 = 100_000;

/// How long a lease is.
pub(crate) const LEASE: u64 = 2_000;

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) settings: SaleSettings,
    pub(crate) buyers: u64,
    pub(crate) workers: u64,
    /// Percent of the operations of the store that fail before they happen, and of those whose reply is lost.
    pub(crate) failures: u64,
    /// The times at which the store forgets something.
    pub(crate) losses: Vec<(u64, LossKind)>,
    /// When the clock of the store is set, and by how much.
    pub(crate) clock_steps: Vec<(u64, i64)>,
    pub(crate) worker_crashes: Vec<u64>,
    pub(crate) closes_at: Option<u64>,
    /// Percent of the orders that are never paid.
    pub(crate) unpaid: u64,
}

/// How the store forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossKind {
    /// The server is restarted, and nothing is lost.
    Restart,
    /// Older data is put back, and the server's id stays.
    RollBack,
    /// The server is restarted with older data.
    RestartOlder,
    /// Another server is promoted, which has older data; no caller has seen the newer data of the first.
    Promotion,
    /// Everything is gone, and an operator creates the sale again.
    Empty,
}

impl Scenario {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let settings = settings(random);
        let count = if random.chance(85) { random.between(1, 3) } else { 0 };
        let mut losses: Vec<_> =
            (0..count).map(|_| (random.between(200, FAULTS_END), loss(random))).collect();
        let steps = if random.chance(15) { random.between(1, 2) } else { 0 };
        let clock_steps: Vec<_> =
            (0..steps).map(|_| (random.between(0, FAULTS_END), clock_step(random))).collect();
        if clock_steps.iter().any(|&(_, step)| step < 0) {
            // A server without witnesses, whose clock is behind, begins an epoch before the one that it has lost: its
            // tickets have names of their own, and lower ones.
            let promotions = losses.iter_mut().filter(|(_, kind)| *kind == LossKind::Promotion);
            promotions.for_each(|(_, kind)| *kind = LossKind::RestartOlder);
        }
        let crashes = if random.chance(30) { random.between(1, 2) } else { 0 };
        Self {
            settings,
            buyers: random.between(2, 16),
            workers: random.between(1, 2),
            failures: if random.chance(60) { random.between(1, 10) } else { 0 },
            losses,
            clock_steps,
            worker_crashes: (0..crashes).map(|_| random.between(0, FAULTS_END)).collect(),
            closes_at: random.chance(8).then(|| random.between(1_000, FAULTS_END)),
            unpaid: if random.chance(40) { 20 } else { 0 },
        }
    }
}

fn settings(random: &mut Random) -> SaleSettings {
    let stock = random.between(1, 12);
    let mut settings = if random.chance(85) {
        SaleSettings::of_stock(stock)
    } else {
        SaleSettings::without_stock(random.between(4, 20))
    };
    if settings.has_stock() && random.chance(50) {
        settings.cap = Some(stock + random.between(0, 6));
    }
    settings.unit_limit = if random.chance(60) { 1 } else { 3 };
    settings.lease = Duration::from_millis(LEASE);
    settings.max_attempts = 6;
    if random.chance(25) {
        settings.pace = Some(Pace {
            millitickets_per_second: random.between(1_000, 20_000),
            burst: random.between(1, 4),
        });
    }
    settings
}

fn loss(random: &mut Random) -> LossKind {
    match random.between(0, 99) {
        0..20 => LossKind::Restart,
        20..45 => LossKind::RollBack,
        45..70 => LossKind::RestartOlder,
        70..95 => LossKind::Promotion,
        _ => LossKind::Empty,
    }
}

/// Leases, retries and restore windows last longer by as much as the clock is set back, so a run waits for no more than
/// seconds of that.
fn clock_step(random: &mut Random) -> i64 {
    [-20_000, -500, 500, 20_000, 3_600_000][usize::try_from(random.between(0, 4)).unwrap()]
}
