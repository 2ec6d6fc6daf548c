//! Random numbers that depend on the seed alone: a run can be repeated, on any number of threads.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A uniform number from 0 to below 1 for each `question` about each `about`.
pub fn seeded_random(seed: u64, question: u32, about: u32) -> f64 {
    let mut asked = [0; 8];
    asked[..4].copy_from_slice(&question.to_le_bytes());
    asked[4..].copy_from_slice(&about.to_le_bytes());
    let drawn = u32::try_from(xxh3_64_with_seed(&asked, seed) >> 32).unwrap_or(u32::MAX);
    f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_reproducible() {
        let drawn: Vec<f64> = (0..10_000).map(|about| seeded_random(7, 1, about)).collect();
        let below = |limit: f64| drawn.iter().filter(|&&drawn| drawn < limit).count();
        assert!((900..1_100).contains(&below(0.1)), "{}", below(0.1));
        assert!((4_800..5_200).contains(&below(0.5)), "{}", below(0.5));
        assert!((0..10_000).all(|about| seeded_random(7, 1, about) == drawn[about as usize]));
        assert!((0..100).any(|about| seeded_random(7, 2, about) != drawn[about as usize]));
        assert!((0..100).any(|about| seeded_random(8, 1, about) != drawn[about as usize]));
    }
}
