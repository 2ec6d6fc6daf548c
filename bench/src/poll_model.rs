//! Simulates how often the buyers of a queue poll: each polls when the policy says, without a server.

use std::time::Duration;

use clap::Args;
use inrush_core::poll_policy::{max_polls_per_second, poll_after};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The store has measured the pace after this many seconds; the policy assumes a pace before.
const ASSUMED_PACE_SECONDS: f64 = 1.0;

/// Far longer than a sale of a whole day.
const MAX_SECONDS: usize = 200_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The number of buyers.
    #[arg(long)]
    buyers: u64,
    /// Tickets claimed per second.
    #[arg(long)]
    pace: u64,
    /// Seconds over which they arrive, at an even rate.
    #[arg(long)]
    arrive: f64,
}

/// Prints the polls in each second, the polls of each buyer on average, and the bound on polls per second.
///
/// # Errors
/// If a number is out of range.
#[expect(clippy::cast_precision_loss, reason = "numbers of buyers are far below 2^52")]
pub(crate) fn run(&Arguments { buyers, pace, arrive }: &Arguments) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(1);
    let mut polls: Vec<u64> = Vec::new();
    for buyer in 1..=buyers {
        let mut now = arrive * random.random::<f64>();
        let claimed_at = (buyer as f64 / pace as f64).max(now);
        while now < claimed_at {
            let claimed = Duration::from_secs_f64(now * pace as f64).as_secs();
            let measured = if now < ASSUMED_PACE_SECONDS { 0 } else { pace * 1_000 };
            let position = buyer.saturating_sub(claimed).max(1);
            now += poll_after(position, measured, random.random()).as_secs_f64();
            let second = usize::try_from(Duration::from_secs_f64(now).as_secs())?.min(MAX_SECONDS);
            if polls.len() <= second {
                polls.resize(second + 1, 0);
            }
            if let Some(polls) = polls.get_mut(second) {
                *polls += 1;
            }
        }
    }
    let each = polls.iter().sum::<u64>() as f64 / buyers as f64;
    let most = max_polls_per_second(buyers, pace * 1_000);
    println!("{}", serde_json::json!({ "polls": polls, "each": each, "most": most }));
    Ok(())
}
