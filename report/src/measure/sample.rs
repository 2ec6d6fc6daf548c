//! Single calls, for formats that list them: all of a small run, an even sample of a large one.

use std::{collections::BinaryHeap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use inrush_transport::Code;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// When it was planned for, since the start of the run.
    pub planned: Duration,
    /// When it was sent, since the start of the run.
    pub sent: Duration,
    /// When it ended, since the start of the run.
    pub ended: Duration,
    /// How it ended.
    pub code: Code,
    /// The error's text, if it failed.
    pub error: Option<Arc<str>>,
}

/// An even sample of bounded size. Every call draws a number, and those with the smallest numbers are kept (bottom-k
/// sampling, Cohen and Kaplan, 2007): so samples of several threads and machines merge into an even sample of all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    size: usize,
    drawn: BinaryHeap<Drawn>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Drawn {
    number: u64,
    detail: Detail,
}

impl Sample {
    /// A sample of at most `size` calls.
    pub fn new(size: usize) -> Self {
        Self { size, drawn: BinaryHeap::new() }
    }

    /// Offers a call to the sample. `detail` is only made if the sample keeps it.
    pub fn offer(&mut self, detail: impl FnOnce() -> Detail) {
        if self.size > 0 {
            let number = rand::random();
            if self.drawn.len() < self.size || self.drawn.peek().is_some_and(|last| number < last.number) {
                self.take(Drawn { number, detail: detail() });
            }
        }
    }

    /// Becomes a sample of the calls of both.
    pub fn merge(&mut self, other: Self) {
        self.size = self.size.max(other.size);
        for drawn in other.drawn {
            self.take(drawn);
        }
    }

    /// The calls, in the order in which they ended.
    pub fn details(&self) -> Vec<&Detail> {
        let mut details: Vec<&Detail> = self.drawn.iter().map(|drawn| &drawn.detail).collect();
        details.sort_by_key(|detail| detail.ended);
        details
    }

    fn take(&mut self, drawn: Drawn) {
        self.drawn.push(drawn);
        if self.drawn.len() > self.size {
            self.drawn.pop();
        }
    }
}

impl PartialEq for Drawn {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Drawn {}

impl PartialOrd for Drawn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Drawn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ended: u64) -> Detail {
        let ended = Duration::from_nanos(ended);
        Detail { planned: ended, sent: ended, ended, code: Code::Ok, error: None }
    }

    #[test]
    fn a_small_run_is_kept_whole_and_in_order() {
        let mut sample = Sample::new(10);
        for ended in [3, 1, 2] {
            sample.offer(|| call(ended));
        }
        let ended: Vec<u128> = sample.details().iter().map(|detail| detail.ended.as_nanos()).collect();
        assert_eq!(ended, [1, 2, 3]);
    }

    #[test]
    fn a_merged_sample_holds_each_part_by_its_share() {
        let (mut large, mut small) = (Sample::new(2_000), Sample::new(2_000));
        (0..90_000).for_each(|ended| large.offer(|| call(ended)));
        (90_000..100_000).for_each(|ended| small.offer(|| call(ended)));
        large.merge(small);
        let details = large.details();
        let of_small = details.iter().filter(|detail| detail.ended.as_nanos() >= 90_000).count();
        assert_eq!(details.len(), 2_000);
        // 200 are expected, with a standard deviation of 13: seven of them either way never happens.
        assert!((100..300).contains(&of_small), "{of_small}");
    }
}
