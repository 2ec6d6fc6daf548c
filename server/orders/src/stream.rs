//! The gRPC service: receives entries from streams and sends answers to them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::{Stream, StreamExt as _, stream};
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, ListOrdersRequest, ListOrdersResponse, OrderRequest,
    OrderResult, order_creation_service_server::OrderCreationService,
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
    order_list::list_orders,
    order_store::OrderStore,
    reply::{Answers, Outbox, Reply, rejected},
    statistics::Statistics,
};

/// A message with this many results, about 64 KiB, takes no further ones that are due.
const MAX_MERGED_RESULTS: usize = 1_024;

/// Accepts streams.
pub(crate) struct OrderStreams {
    /// Unanswered entries per stream.
    pub(crate) credit: u32,
    /// The queue into the batcher.
    pub(crate) queue: mpsc::Sender<Entry>,
    /// The counters.
    pub(crate) statistics: Statistics,
    /// The orders, to list them.
    pub(crate) store: OrderStore,
    /// The streams that are being read or answered.
    pub(crate) open: TaskTracker,
    /// Ends the reading, not the answering.
    pub(crate) shutdown: CancellationToken,
    /// The number of the next stream.
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
            return Err(Status::unavailable("order system is shutting down; use another replica"));
        }
        // As large as the number of unanswered entries can be, so that an answer never waits for room.
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

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        list_orders(&self.store, request.into_inner()).await.map(Response::new)
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
    /// Runs until the client has sent everything or disconnects, or the system shuts down. What was received
    /// is still answered; the stream ends after that.
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
                    debug!(%status, "stream of entries broke; received entries are still answered");
                    return;
                }
            }
        }
    }

    /// Queues an entry as soon as the credit of the stream allows it. Returns false if the client has
    /// disconnected.
    async fn accept(&self, request: OrderRequest) -> bool {
        let permit = tokio::select! {
            permit = self.credit.acquire() => permit,
            () = self.reply.closed() => return false,
        };
        let Ok(permit) = permit else { return false };
        // Returned when the answer is sent.
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
        let Malformed { ticket_id, attempt, reply, reason } = malformed;
        outbox.add(&reply, ticket_id, attempt, rejected(reason));
        outbox.send();
    }
}

/// The answers of a stream, each sent when it is due; those due together share a message. Holds the token
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

/// The answers of one stream.
struct ResponseStream {
    outgoing: mpsc::Receiver<Answers>,
    /// Received from the channel, but not due yet.
    held: Option<Answers>,
    credit: Arc<Semaphore>,
    _open: TaskTrackerToken,
}

impl ResponseStream {
    /// The next answers that are due; returns their credit. `None` after the last.
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

    /// Adds further answers that are due.
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
