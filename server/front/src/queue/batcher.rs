//! Micro-batching without delay: one batch of a sale is in flight at the store at a time.
//!
//! A call to an idle sale is sent immediately. Calls that arrive while a batch is in flight form the next batch. So an idle
//! sale answers after one round trip, and batches grow with the load: no timer, no tuning.
//!
//! A sale has a queue, and the queue a task, only while there is work; ten thousand idle sales cost nothing. A batcher
//! belongs to one core, so its lock is never contended.

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

/// Upper bound on the calls in one queue. A queue this long is some hundred batches behind: further calls would time out.
const MAX_QUEUE_LENGTH: usize = 32_768;

/// Bounds of a batcher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Upper bound on the calls in one batch.
    pub(crate) max_batch: usize,
    /// The longest that a call waits for its batch to be sent. Calls beyond are refused, so the latency of the calls that are
    /// served stays bounded under any load.
    pub(crate) max_queue_wait: Duration,
}

/// What a batcher sends to the store.
pub(crate) trait Operation: Send + Sync + 'static {
    /// The request of one call.
    type Request: Send + 'static;
    /// The reply to one call.
    type Reply: Send + 'static;

    /// A reply from memory, checked just before the request would be sent.
    fn cached_reply(&self, _sale: &SaleId, _request: &Self::Request) -> Option<Self::Reply> {
        None
    }

    /// Runs a batch on one sale, in order, and returns one reply for each request. Never called with an empty batch.
    fn run(
        &self,
        sale: &SaleId,
        requests: &[Self::Request],
    ) -> impl Future<Output = Result<Vec<Self::Reply>, StoreError>> + Send;
}

/// Batches the calls of one operation. Clones share the queues.
pub(crate) struct Batcher<O: Operation> {
    shared: Arc<Shared<O>>,
}

struct Shared<O: Operation> {
    operation: O,
    limits: BatchLimits,
    counts: Arc<CoreCounts>,
    queues: Mutex<HashMap<SaleId, VecDeque<Call<O>>>>,
}

/// A call in a queue. If its client has disconnected, the other end of `answer` is closed.
struct Call<O: Operation> {
    request: O::Request,
    enqueued_at: Instant,
    deadline: Instant,
    trace: Option<TraceContext>,
    answer: oneshot::Sender<Result<O::Reply, CallError>>,
}

impl<O: Operation> Batcher<O> {
    /// A batcher with empty queues. Calls that it sheds are counted in `counts`.
    pub(crate) fn new(operation: O, limits: BatchLimits, counts: Arc<CoreCounts>) -> Self {
        let queues = Mutex::default();
        Self { shared: Arc::new(Shared { operation, limits, counts, queues }) }
    }

    /// Sends `request` in a batch with others of its sale. A call that is dropped before its batch is sent is left out of
    /// it; one that is dropped later does not affect the others. `trace` is the span of the call, if it is traced.
    ///
    /// # Errors
    /// The error of the batch; `Overloaded` if the queue is full or the batch was not sent in time; `DeadlineExceeded` if the
    /// deadline passed before; `Internal` if the batch panicked.
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
            if waiting.len() >= MAX_QUEUE_LENGTH {
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

/// Runs one batch after the other until the queue is empty.
async fn run_queue<O: Operation>(shared: Arc<Shared<O>>, sale: SaleId) {
    while let Some(batch) = shared.next_batch(&sale) {
        let trace = BatchTrace::from_members(batch.iter().filter_map(|call| call.trace));
        let (requests, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|call| (call.request, call.answer)).unzip();
        // Errors are logged in the context of the trace.
        let run = shared.operation.run(&sale, &requests).map(|outcome| outcome.map_err(CallError::from));
        let run = AssertUnwindSafe(run).catch_unwind();
        let outcome = match trace {
            None => run.await,
            Some(trace) => run.with_context(trace.context()).await,
        };
        let failure = match outcome {
            Ok(Ok(replies)) => {
                // A call without a reply sees its channel closed. A call whose client has disconnected needs none.
                answers.into_iter().zip(replies).for_each(|(answer, reply)| drop(answer.send(Ok(reply))));
                continue;
            }
            Ok(Err(failure)) => failure,
            // The panic hook of the process has logged it.
            Err(_panic) => CallError::Internal,
        };
        answers.into_iter().for_each(|answer| drop(answer.send(Err(failure.clone()))));
    }
}

impl<O: Operation> Shared<O> {
    /// The next batch, in order of arrival, without expired and cancelled calls. `None`: the queue was empty and has been removed.
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

    /// Counts a shed call and returns its error.
    fn overloaded(&self) -> CallError {
        self.counts.shed(ShedReason::Wait);
        CallError::Overloaded
    }

    /// The queues of this core.
    fn queues(&self) -> MutexGuard<'_, HashMap<SaleId, VecDeque<Call<O>>>> {
        self.queues.lock()
    }
}

#[cfg(test)]
mod tests;
