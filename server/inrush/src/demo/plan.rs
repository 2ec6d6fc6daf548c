//! What each buyer of the demo will do, decided by the seed alone, so that a run can be repeated.

use super::evidence::Buyer;

/// The shares of buyers who do more than wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Chooses who does what.
    pub(crate) seed: u64,
    /// How many buyers come.
    pub(crate) buyers: Buyer,
    /// Share of buyers who ask again for what they have, 0 to 1.
    pub(crate) repeat_share: f64,
    /// Share of buyers who cancel as soon as they are in line, 0 to 1. Half of them change their mind and come back.
    pub(crate) cancel_share: f64,
}

/// What one buyer will do besides asking once and waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Temper {
    /// Asks again, as an impatient person or a retrying program does.
    pub(crate) repeats: bool,
    /// Cancels at once.
    pub(crate) cancels: bool,
    /// Having cancelled, asks anew.
    pub(crate) comes_back: bool,
}

impl Plan {
    /// What `buyer` will do.
    pub(crate) fn temper(&self, buyer: Buyer) -> Temper {
        Temper {
            repeats: self.chance(buyer, 1) < self.repeat_share,
            cancels: self.chance(buyer, 2) < self.cancel_share,
            comes_back: self.chance(buyer, 3) < 0.5,
        }
    }

    /// An even number in 0 to 1 for each buyer and question: the finaliser of splitmix64 (Steele, Lea and Flood, 2014)
    /// over both.
    fn chance(&self, buyer: Buyer, question: u64) -> f64 {
        let mut mixed = self.seed ^ (u64::from(buyer) << 3) ^ question;
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let even = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(even) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_as_planned_and_the_same_every_time() {
        let plan = Plan { seed: 7, buyers: 10_000, repeat_share: 0.1, cancel_share: 0.02 };
        let tempers: Vec<Temper> = (0..plan.buyers).map(|buyer| plan.temper(buyer)).collect();
        let share = |count: usize| count as f64 / f64::from(plan.buyers);
        let repeats = share(tempers.iter().filter(|temper| temper.repeats).count());
        let cancels = share(tempers.iter().filter(|temper| temper.cancels).count());
        assert!((0.09..0.11).contains(&repeats), "{repeats}");
        assert!((0.015..0.025).contains(&cancels), "{cancels}");
        assert!((0..plan.buyers).all(|buyer| plan.temper(buyer) == tempers[buyer as usize]));
    }
}
