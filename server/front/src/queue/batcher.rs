//! Micro-batching without waiting: many calls, one run of the store at a time.
//!
//! A call that finds its sale idle runs at once. Calls that arrive during a run wait together and are the next batch. So
//! an idle sale answers after one round trip, and the busier a sale is, the larger its batches become by themselves: no
//! timer, no tuning.
//!
//! A sale has a lane, and a lane its task, exactly while there is work; ten thousand quiet sales cost nothing. A batcher
//! lives on one core, so its lock is never fought over.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use inrush_core::{SaleId, StoreError};
use inrush_telemetry::{batch_trace::BatchTrace, trace_context::TraceContext};
use opentelemetry::context::FutureExt as _;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    call_error::CallError,
    metrics::{CoreCounts, ShedReason},
};

/// Most calls that wait in one lane. A lane this long is some hundred runs behind: who came now would not be served in time.
const MAX_WAITING: usize = 32_768;

/// What a batcher may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Most calls in one run.
    pub(crate) max_batch: usize,
    /// The longest that a call waits for its run to begin. Whoever comes to an overloaded node is better told so than served
    /// ever later: those who are served then never wait longer than this, however many come.
    pub(crate) max_queue_wait: Duration,
}

/// What a batcher runs.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What one caller wants.
    type Request: Send + 'static;
    /// What one caller gets.
    type Reply: Send + 'static;

    /// A reply that needs no run any more, asked for just before one.
    fn cached_reply(&self, _sale: &SaleId, _request: &Self::Request) -> Option<Self::Reply> {
        None
    }

    /// Runs a batch on one sale, in order, and gives one reply for each request. Never called with an empty batch.
    fn run(
        &self,
        sale: &SaleId,
        requests: &[Self::Request],
    ) -> impl Future<Output = Result<Vec<Self::Reply>, StoreError>> + Send;
}

/// Joins calls of one kind. Clones share it.
pub(crate) struct Batcher<O: Operation> {
    shared: Arc<Shared<O>>,
}

struct Shared<O: Operation> {
    operation: O,
    limits: BatchLimits,
    counts: Arc<CoreCounts>,
    queues: Mutex<HashMap<SaleId, VecDeque<Call<O>>>>,
}

/// A caller who waits. A caller who has left has closed the other end of `answer`.
struct Call<O: Operation> {
    request: O::Request,
    enqueued_at: Instant,
    deadline: Instant,
    trace: Option<TraceContext>,
    answer: oneshot::Sender<Result<O::Reply, CallError>>,
}

impl<O: Operation> Batcher<O> {
    /// A batcher without work. Whom it does not serve in time is counted.
    pub(crate) fn new(operation: O, limits: BatchLimits, counts: Arc<CoreCounts>) -> Self {
        let queues = Mutex::default();
        Self { shared: Arc::new(Shared { operation, limits, counts, queues }) }
    }

    /// Has `request` run together with others of its sale. A call that is dropped before its run began takes no part in
    /// it; one that is dropped later changes nothing for the others. `trace` is the span that it belongs to, if it is traced.
    ///
    /// # Errors
    /// What the run failed with; `Overloaded` when too many wait already, or the run did not begin in time; `DeadlineExceeded` when the deadline passed
    /// before the run began; `Internal` when the run panicked.
    pub(crate) async fn call(
        &self,
        sale: &SaleId,
        request: O::Request,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<O::Reply, CallError> {
        let (answer, answered) = oneshot::channel();
        self.accept(sale, Call { request, enqueued_at: Instant::now(), deadline, trace, answer })?;
        answered.await.unwrap_or(Err(CallError::Internal))
    }

    fn accept(&self, sale: &SaleId, call: Call<O>) -> Result<(), CallError> {
        let mut queues = self.shared.queues();
        if let Some(waiting) = queues.get_mut(sale) {
            if waiting.len() >= MAX_WAITING {
                return Err(self.shared.overloaded());
            }
            waiting.push_back(call);
        } else {
            queues.insert(sale.clone(), VecDeque::from([call]));
            tokio::spawn(run_queue(Arc::clone(&self.shared), sale.clone()));
        }
        Ok(())
    }
}

impl<O: Operation> Clone for Batcher<O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Runs one batch after the other until nobody waits.
async fn run_queue<O: Operation>(shared: Arc<Shared<O>>, sale: SaleId) {
    while let Some(batch) = shared.next_batch(&sale) {
        let trace = BatchTrace::from_members(batch.iter().filter_map(|call| call.trace));
        let (requests, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|call| (call.request, call.answer)).unzip();
        // What goes wrong is told in the log as part of the trace.
        let run = shared.operation.run(&sale, &requests).map(|outcome| outcome.map_err(CallError::from));
        let run = AssertUnwindSafe(run).catch_unwind();
        let outcome = match trace {
            None => run.await,
            Some(trace) => run.with_context(trace.context()).await,
        };
        let failure = match outcome {
            Ok(Ok(replies)) => {
                // Whose reply is missing learns of it by the dropped end of the channel. Who has left needs none.
                answers.into_iter().zip(replies).for_each(|(answer, reply)| drop(answer.send(Ok(reply))));
                continue;
            }
            Ok(Err(failure)) => failure,
            // The panic itself has been logged by the process's panic hook.
            Err(_panic) => CallError::Internal,
        };
        answers.into_iter().for_each(|answer| drop(answer.send(Err(failure.clone()))));
    }
}

impl<O: Operation> Shared<O> {
    /// The next calls that are still worth running, in the order of their arrival. None: nobody waits, and the lane is gone.
    fn next_batch(&self, sale: &SaleId) -> Option<Vec<Call<O>>> {
        let now = Instant::now();
        let mut queues = self.queues();
        let waiting = queues.get_mut(sale)?;
        let mut batch = Vec::with_capacity(waiting.len().min(self.limits.max_batch));
        while batch.len() < self.limits.max_batch {
            let Some(call) = waiting.pop_front() else { break };
            if call.deadline <= now {
                drop(call.answer.send(Err(CallError::DeadlineExceeded)));
            } else if now > call.enqueued_at + self.limits.max_queue_wait {
                drop(call.answer.send(Err(self.overloaded())));
            } else if let Some(reply) = self.operation.cached_reply(sale, &call.request) {
                drop(call.answer.send(Ok(reply)));
            } else if !call.answer.is_closed() {
                batch.push(call);
            }
        }
        if batch.is_empty() {
            queues.remove(sale);
            return None;
        }
        Some(batch)
    }

    /// What a call fails with whose turn does not come in time.
    fn overloaded(&self) -> CallError {
        self.counts.shed(ShedReason::Wait);
        CallError::Overloaded
    }

    /// A panic while the lock was held leaves the queues whole, so the lock's poison says nothing.
    fn queues(&self) -> MutexGuard<'_, HashMap<SaleId, VecDeque<Call<O>>>> {
        self.queues.lock()
    }
}

#[cfg(test)]
mod tests;
