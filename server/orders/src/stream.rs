//! The gRPC service: reads entries from streams and writes answers to them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::{Stream, StreamExt as _, stream};
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, OrderRequest, OrderResult,
    order_creation_service_server::OrderCreationService,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use crate::{
    entry::{Entry, Malformed},
    reply::{Answers, Outbox, Reply, rejected},
    statistics::Statistics,
};

/// A message with so many answers, about 64 KiB, is not made larger by others that are due as well.
const MAX_MERGED_RESULTS: usize = 1_024;

/// Accepts streams.
pub(crate) struct OrderStreams {
    /// Most unanswered entries per stream.
    pub(crate) credit: u32,
    /// Where entries are queued for the batcher.
    pub(crate) queue: mpsc::Sender<Entry>,
    /// What is done is counted here.
    pub(crate) statistics: Statistics,
    /// Every stream that is being read or answered.
    pub(crate) open: TaskTracker,
    /// Ends the reading, not the answering.
    pub(crate) shutdown: CancellationToken,
    /// Numbers the streams.
    pub(crate) streams: AtomicU64,
}

#[tonic::async_trait]
impl OrderCreationService for OrderStreams {
    type CreateOrdersStream = stream::BoxStream<'static, Result<CreateOrdersResponse, Status>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        if self.shutdown.is_cancelled() {
            return Err(Status::unavailable("the order system is shutting down; use another replica"));
        }
        // As many places as there can be unanswered entries, so that an answer never has to wait for one.
        let (answers, outgoing) = mpsc::channel(self.credit as usize);
        let credit = Arc::new(Semaphore::new(self.credit as usize));
        let reader = Reader {
            reply: Reply::new(self.streams.fetch_add(1, Ordering::Relaxed), answers),
            credit: Arc::clone(&credit),
            queue: self.queue.clone(),
            statistics: self.statistics.clone(),
        };
        self.open.spawn(reader.run(request.into_inner(), self.shutdown.clone()));
        let first_response = CreateOrdersResponse { results: Vec::new(), credit: self.credit };
        let responses = responses(outgoing, credit, self.open.token());
        Ok(Response::new(stream::iter([Ok(first_response)]).chain(responses).boxed()))
    }
}

/// Reads one stream.
struct Reader {
    reply: Reply,
    credit: Arc<Semaphore>,
    queue: mpsc::Sender<Entry>,
    statistics: Statistics,
}

impl Reader {
    /// Until the client has sent everything, has gone away, or the system shuts down. What has been read by then is
    /// still answered; the stream ends by itself after that.
    async fn run(self, mut incoming: Streaming<CreateOrdersRequest>, shutdown: CancellationToken) {
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = shutdown.cancelled() => return,
                () = self.reply.closed() => return,
            };
            match message {
                Ok(Some(request)) => {
                    for request in request.orders {
                        if !self.accept(request).await {
                            return;
                        }
                    }
                }
                Ok(None) => return,
                Err(status) => {
                    debug!(%status, "a stream of entries broke; what it sent is still answered");
                    return;
                }
            }
        }
    }

    /// Queues an entry as soon as the stream's credit allows; false when nobody waits for the answer any more.
    async fn accept(&self, request: OrderRequest) -> bool {
        let permit = tokio::select! {
            permit = self.credit.acquire() => permit,
            () = self.reply.closed() => return false,
        };
        let Ok(permit) = permit else { return false };
        // Given back when the answer is on its way.
        permit.forget();
        match Entry::new(request, self.reply.clone()) {
            Ok(entry) => self.queue.send(entry).await.is_ok(),
            Err(malformed) => {
                self.reject_malformed(malformed);
                true
            }
        }
    }

    fn reject_malformed(&self, malformed: Malformed) {
        self.statistics.rejected();
        let mut outbox = Outbox::new(Instant::now());
        outbox.add(&malformed.reply, malformed.ticket_id, rejected(malformed.reason));
        outbox.send();
    }
}

/// The answers of a stream, each not before it is due; those that are due together share a message. The token is kept
/// until the stream ends.
fn responses(
    outgoing: mpsc::Receiver<Answers>,
    credit: Arc<Semaphore>,
    open: TaskTrackerToken,
) -> impl Stream<Item = Result<CreateOrdersResponse, Status>> + Send {
    let responses = ResponseStream { outgoing, held: None, credit, _open: open };
    stream::unfold(responses, |mut responses| async move {
        let results = responses.next().await?;
        Some((Ok(CreateOrdersResponse { results, credit: 0 }), responses))
    })
}

/// The way out of one stream.
struct ResponseStream {
    outgoing: mpsc::Receiver<Answers>,
    /// Taken out of the channel, but not due yet.
    held: Option<Answers>,
    credit: Arc<Semaphore>,
    _open: TaskTrackerToken,
}

impl ResponseStream {
    /// The next answers that are due, which makes room for as many entries; `None` after the last.
    async fn next(&mut self) -> Option<Vec<OrderResult>> {
        let first = match self.held.take() {
            Some(answers) => answers,
            None => self.outgoing.recv().await?,
        };
        tokio::time::sleep_until(first.due.into()).await;
        let mut results = first.results;
        self.merge_due(&mut results);
        self.credit.add_permits(results.len());
        Some(results)
    }

    /// Adds what else is due.
    fn merge_due(&mut self, results: &mut Vec<OrderResult>) {
        let now = Instant::now();
        while results.len() < MAX_MERGED_RESULTS {
            match self.outgoing.try_recv() {
                Ok(next) if next.due <= now => results.extend(next.results),
                Ok(next) => {
                    self.held = Some(next);
                    return;
                }
                Err(_) => return,
            }
        }
    }
}
