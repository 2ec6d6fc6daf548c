//! An order system of a known capacity: it works on a fixed number of entries concurrently, each for a fixed time; further
//! entries are queued.
//!
//! Completion times are computed, not slept: a queued entry starts when an earlier one completes, even if the thread wakes
//! up late. So the capacity is exactly the concurrency divided by the time per entry.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    pin::Pin,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, ListOrdersRequest, ListOrdersResponse, OrderCreated,
    OrderRequest, OrderResult, order_creation_service_server::OrderCreationService, order_result::Outcome,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// More messages than are ever in flight in one direction.
const MESSAGES: usize = 65_536;

/// How long the thread sleeps when it is idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Capacity {
    /// Entries that the order system works on concurrently.
    #[arg(long)]
    at_once: usize,
    /// Time per entry, in microseconds.
    #[arg(long)]
    micros: u64,
    /// Slowdown under overload: with twice as many entries, each takes two to this power times as long.
    #[arg(long, default_value_t = 0.0)]
    degrades: f64,
}

/// The order system. Each stream has a thread with the whole capacity.
pub(crate) struct OrderSystem {
    pub(crate) capacity: Capacity,
}

#[tonic::async_trait]
impl OrderCreationService for OrderSystem {
    type CreateOrdersStream = Pin<Box<dyn Stream<Item = Result<CreateOrdersResponse, Status>> + Send>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let (arrive, arrivals) = sync_channel(MESSAGES);
        let (answer, answers) = mpsc::channel(MESSAGES);
        tokio::spawn(read(request.into_inner(), arrive));
        let work = Work::new(self.capacity);
        thread::spawn(move || work.run(&arrivals, &answer));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn list_orders(
        &self,
        _request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented("this order system keeps no orders"))
    }
}

async fn read(mut requests: Streaming<CreateOrdersRequest>, arrive: SyncSender<Vec<OrderRequest>>) {
    while let Some(Ok(message)) = requests.next().await {
        if arrive.try_send(message.orders).is_err() {
            return;
        }
    }
}

struct Work {
    capacity: Capacity,
    /// When each worker becomes free.
    free: BinaryHeap<Reverse<Instant>>,
    /// When each entry in flight completes.
    in_flight: BinaryHeap<Reverse<(Instant, String)>>,
}

impl Work {
    fn new(capacity: Capacity) -> Self {
        let free = vec![Reverse(Instant::now()); capacity.at_once.max(1)].into();
        Self { capacity, free, in_flight: BinaryHeap::new() }
    }

    fn run(
        mut self,
        arrivals: &Receiver<Vec<OrderRequest>>,
        answers: &mpsc::Sender<Result<CreateOrdersResponse, Status>>,
    ) {
        loop {
            let timeout = self
                .in_flight
                .peek()
                .map_or(IDLE_TIMEOUT, |Reverse((at, _))| at.saturating_duration_since(Instant::now()));
            match arrivals.recv_timeout(timeout) {
                Ok(orders) => orders.into_iter().for_each(|order| self.start(order)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let results = self.completed();
            let response = CreateOrdersResponse { results, credit: 0 };
            if !response.results.is_empty() && answers.try_send(Ok(response)).is_err() {
                return;
            }
        }
    }

    fn start(&mut self, order: OrderRequest) {
        let Some(Reverse(free)) = self.free.pop() else { return };
        #[expect(clippy::cast_precision_loss, reason = "numbers of entries are small")]
        let load = (self.in_flight.len() + 1) as f64 / self.capacity.at_once.max(1) as f64;
        let duration =
            Duration::from_micros(self.capacity.micros).mul_f64(load.max(1.0).powf(self.capacity.degrades));
        let end = free.max(Instant::now()) + duration;
        self.free.push(Reverse(end));
        self.in_flight.push(Reverse((end, order.ticket_id)));
    }

    fn completed(&mut self) -> Vec<OrderResult> {
        let now = Instant::now();
        let mut results = Vec::new();
        while self.in_flight.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, ticket_id))) = self.in_flight.pop() else { break };
            let outcome = Some(Outcome::Created(OrderCreated { order_id: "o".to_owned() }));
            results.push(OrderResult { ticket_id, attempt: 0, outcome });
        }
        results
    }
}
