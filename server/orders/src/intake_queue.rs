//! The queue of received entries, which the batcher reads no faster than the capacity.

use std::time::Instant;

use inrush_runtime::token_bucket::TokenBucket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::entry::Entry;

/// After a quiet time, the capacity of this many seconds may be used in one batch.
const BURST_SECONDS: f64 = 0.1;
/// While capacity is scarce, that of this many seconds is saved up before it is used: a transaction for a handful of
/// orders instead of one for each.
const SLICE_SECONDS: f64 = 0.01;

/// The entries that may be read: a token for each.
struct Capacity {
    bucket: TokenBucket,
    /// The tokens that are saved up before they are spent.
    slice: f64,
}

impl Capacity {
    fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        let burst = (rate * BURST_SECONDS).max(1.0);
        let slice = (rate * SLICE_SECONDS).max(1.0);
        Self { bucket: TokenBucket::new(rate, burst, Instant::now()), slice }
    }
}

/// The batcher's end of the queue.
pub(crate) struct IntakeQueue {
    queue: mpsc::Receiver<Entry>,
    /// `None` for an unlimited capacity.
    capacity: Option<Capacity>,
    batch: u32,
    /// Cancelled when a shutdown takes too long: the remaining entries are only answered, which needs no
    /// capacity.
    force_drain: CancellationToken,
    /// Cancelled when the queue must not be read further: a lingering connection would keep it open.
    closed: CancellationToken,
}

impl IntakeQueue {
    /// Reads at most `capacity` entries per second (0: no limit), and at most `batch` together.
    pub(crate) fn new(
        queue: mpsc::Receiver<Entry>,
        capacity: u32,
        batch: u32,
        force_drain: CancellationToken,
        closed: CancellationToken,
    ) -> Self {
        let capacity = (capacity > 0).then(|| Capacity::new(capacity));
        Self { queue, capacity, batch, force_drain, closed }
    }

    /// The next entries in the order of arrival; none once the queue is closed and empty. Cancel safe.
    pub(crate) async fn next(&mut self) -> Vec<Entry> {
        loop {
            let limit = self.ready().await;
            let mut entries = Vec::new();
            let taken = tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut entries, limit as usize) => taken,
                () = self.closed.cancelled() => 0,
            };
            // An entry whose stream has ended will be sent again: it uses no capacity now.
            entries.retain(|entry| !entry.reply.is_closed());
            if let (Some(capacity), Ok(used)) = (&mut self.capacity, u32::try_from(entries.len())) {
                capacity.bucket.spend(Instant::now(), used);
            }
            if taken == 0 || !entries.is_empty() {
                return entries;
            }
        }
    }

    /// Waits until there is capacity for at least one entry, and returns for how many.
    async fn ready(&mut self) -> u32 {
        let Some(Capacity { bucket, slice }) = &mut self.capacity else { return self.batch };
        loop {
            let wait = bucket.wait(Instant::now(), *slice);
            if wait.is_zero() {
                // A slice is at least one token, but rounding may leave slightly less.
                return bucket.available(Instant::now(), self.batch).max(1);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.force_drain.cancelled() => return self.batch,
            }
        }
    }
}
