//! The queue of received entries, which the batcher reads no faster than the capacity.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{bucket::TokenBucket, entry::Entry};

/// The batcher's end of the queue.
pub(crate) struct IntakeQueue {
    queue: mpsc::Receiver<Entry>,
    /// `None` for an unlimited capacity.
    bucket: Option<TokenBucket>,
    batch: u32,
    /// Cancelled when a shutdown takes too long: the remaining entries are only answered, which needs no
    /// capacity.
    force_drain: CancellationToken,
    /// Cancelled when the queue must not be read further: a lingering connection would keep it open.
    closed: CancellationToken,
}

impl IntakeQueue {
    /// Reads at most `capacity` entries per second (0: no limit), and at most `batch` at once.
    pub(crate) fn new(
        queue: mpsc::Receiver<Entry>,
        capacity: u32,
        batch: u32,
        force_drain: CancellationToken,
        closed: CancellationToken,
    ) -> Self {
        let bucket = (capacity > 0).then(|| TokenBucket::new(capacity, Instant::now()));
        Self { queue, bucket, batch, force_drain, closed }
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
            if let (Some(bucket), Ok(taken_up)) = (&mut self.bucket, u32::try_from(entries.len())) {
                bucket.spend(Instant::now(), taken_up);
            }
            if taken == 0 || !entries.is_empty() {
                return entries;
            }
        }
    }

    /// Waits until there is capacity for at least one entry, and returns for how many.
    async fn ready(&mut self) -> u32 {
        let Some(bucket) = &mut self.bucket else { return self.batch };
        loop {
            let wait = bucket.wait(Instant::now());
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
