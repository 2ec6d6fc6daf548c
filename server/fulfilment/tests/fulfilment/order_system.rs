//! An order system scripted by a test, which records what it was sent.

use std::{collections::VecDeque, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, KnownOrder, ListOrdersRequest, ListOrdersResponse,
    OrderCreated, OrderRejected, OrderRequest, OrderResult, OrderRetry,
    order_creation_service_server::{OrderCreationService, OrderCreationServiceServer},
    order_result::Outcome,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// What the order system does with an entry.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Answers immediately.
    Answer(Option<Outcome>),
    /// Sends these answers immediately.
    Send(Vec<OrderResult>),
    /// Answers when [`OrderSystem::answer_held`] is called.
    Hold(Outcome),
    /// Never answers.
    Ignore,
    /// Ends the stream with an error.
    Break,
}

impl Reaction {
    pub(crate) fn order(order: &OrderRequest) -> Self {
        Self::Answer(Some(ordered(order)))
    }

    pub(crate) fn keep(order: &OrderRequest) -> Self {
        Self::Hold(ordered(order))
    }

    pub(crate) fn reject(reason: &str) -> Self {
        Self::Answer(Some(Outcome::Rejected(OrderRejected { reason: reason.to_owned() })))
    }

    pub(crate) fn keep_rejection(reason: &str) -> Self {
        Self::Hold(Outcome::Rejected(OrderRejected { reason: reason.to_owned() }))
    }

    /// A rejection of the attempt before, which comes too late, and then an order.
    pub(crate) fn reject_late_and_order(order: &OrderRequest) -> Self {
        let answer = |attempt, outcome| OrderResult {
            ticket_id: order.ticket_id.clone(),
            attempt,
            outcome: Some(outcome),
        };
        let late = Outcome::Rejected(OrderRejected { reason: "late".to_owned() });
        Self::Send(vec![answer(order.attempt - 1, late), answer(order.attempt, ordered(order))])
    }

    pub(crate) fn retry(after: Duration) -> Self {
        let retry_after = prost_types::Duration::try_from(after).ok();
        Self::Answer(Some(Outcome::Retry(OrderRetry { retry_after, reason: "busy".to_owned() })))
    }
}

fn ordered(order: &OrderRequest) -> Outcome {
    Outcome::Created(OrderCreated { order_id: format!("order-{}", order.seq) })
}

/// More than any test has unread.
const MOST_ANSWERS: usize = 65_536;

/// Deliveries that are answered when the test requests it.
#[derive(Default)]
struct Held {
    deliveries: VecDeque<(Answers, OrderResult)>,
    /// Nothing is held from now on.
    released: bool,
}

type React = Box<dyn FnMut(&OrderRequest) -> Reaction + Send>;
type Answers = mpsc::Sender<Result<CreateOrdersResponse, Status>>;

struct Shared {
    react: Mutex<React>,
    deliveries: Mutex<Vec<OrderRequest>>,
    held: Mutex<Held>,
    /// The first message of each new stream.
    greeting: Mutex<Option<CreateOrdersResponse>>,
    /// What `ListOrders` answers; `None`: it is not implemented.
    known: Mutex<Option<Vec<KnownOrder>>>,
    lists: Mutex<Vec<ListOrdersRequest>>,
    /// What the next requests for a list fail with, or `None` for one that succeeds.
    list_failures: Mutex<VecDeque<Option<Status>>>,
    /// Whether the list begins again at its end.
    is_endless: Mutex<bool>,
}

/// A running order system.
pub(crate) struct OrderSystem {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the streams, then the server.
    cut: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl OrderSystem {
    pub(crate) async fn start(react: impl FnMut(&OrderRequest) -> Reaction + Send + 'static) -> Self {
        let mut system = Self::down(react).await;
        system.come_up().await;
        system
    }

    /// One that does not listen yet, with its address.
    pub(crate) async fn down(react: impl FnMut(&OrderRequest) -> Reaction + Send + 'static) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let shared = Arc::new(Shared {
            react: Mutex::new(Box::new(react)),
            deliveries: Mutex::default(),
            held: Mutex::default(),
            greeting: Mutex::default(),
            known: Mutex::default(),
            lists: Mutex::default(),
            list_failures: Mutex::default(),
            is_endless: Mutex::default(),
        });
        Self { address, shared, cut: CancellationToken::new(), server: None }
    }

    pub(crate) async fn come_up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.cut = CancellationToken::new();
        let service = Service { shared: Arc::clone(&self.shared), cut: self.cut.clone() };
        let cut = self.cut.clone();
        self.server = Some(tokio::spawn(async move {
            Server::builder()
                .add_service(OrderCreationServiceServer::new(service))
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), cut.cancelled_owned())
                .await
                .unwrap();
        }));
    }

    /// Breaks all streams and stops listening.
    pub(crate) async fn go_down(&mut self) {
        self.cut.cancel();
        self.shared.held.lock().deliveries.clear();
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn greet_with(&self, greeting: CreateOrdersResponse) {
        *self.shared.greeting.lock() = Some(greeting);
    }

    pub(crate) fn react(&self, react: impl FnMut(&OrderRequest) -> Reaction + Send + 'static) {
        *self.shared.react.lock() = Box::new(react);
    }

    /// Lists these orders from now on.
    pub(crate) fn list(&self, orders: Vec<KnownOrder>) {
        *self.shared.known.lock() = Some(orders);
    }

    /// The next requests for a list fail with these, or succeed.
    pub(crate) fn fail_lists(&self, failures: impl IntoIterator<Item = Option<Status>>) {
        self.shared.list_failures.lock().extend(failures);
    }

    /// Every page from now on names itself as the next one.
    pub(crate) fn list_without_end(&self) {
        *self.shared.is_endless.lock() = true;
    }

    /// The requests for a list so far.
    pub(crate) fn lists(&self) -> Vec<ListOrdersRequest> {
        self.shared.lists.lock().clone()
    }

    pub(crate) fn deliveries(&self) -> Vec<OrderRequest> {
        self.shared.deliveries.lock().clone()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.shared.deliveries.lock().len()
    }

    /// The number of deliveries that wait for [`OrderSystem::answer_held`].
    pub(crate) fn held(&self) -> usize {
        self.shared.held.lock().deliveries.len()
    }

    /// Answers all held deliveries, and holds none from now on.
    pub(crate) fn release_kept(&self) {
        self.shared.held.lock().released = true;
        self.answer_held(usize::MAX);
    }

    /// Answers up to `count` held deliveries, the oldest first; answers to broken streams are dropped.
    pub(crate) fn answer_held(&self, count: usize) {
        let mut held = self.shared.held.lock();
        let count = count.min(held.deliveries.len());
        for (answers, result) in held.deliveries.drain(..count) {
            let _ = answers.try_send(Ok(CreateOrdersResponse { results: vec![result], credit: 0 }));
        }
    }
}

struct Service {
    shared: Arc<Shared>,
    cut: CancellationToken,
}

#[tonic::async_trait]
impl OrderCreationService for Service {
    type CreateOrdersStream = Pin<Box<dyn Stream<Item = Result<CreateOrdersResponse, Status>> + Send>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let (answers, mut out) = mpsc::channel(MOST_ANSWERS);
        if let Some(greeting) = self.shared.greeting.lock().clone() {
            answers.try_send(Ok(greeting)).unwrap();
        }
        let (shared, cut) = (Arc::clone(&self.shared), self.cut.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = shared.serve(request.into_inner(), &answers) => {}
                () = cut.cancelled() => {
                    let _ = answers.try_send(Err(Status::unavailable("going down")));
                }
            }
        });
        let responses = futures_util::stream::poll_fn(move |cx| out.poll_recv(cx));
        Ok(Response::new(Box::pin(responses)))
    }

    /// One order on a page.
    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let request = request.into_inner();
        let at: usize = request.page_token.parse().unwrap_or_default();
        self.shared.lists.lock().push(request);
        if let Some(Some(failure)) = self.shared.list_failures.lock().pop_front() {
            return Err(failure);
        }
        let known = self.shared.known.lock();
        let Some(known) = &*known else { return Err(Status::unimplemented("not by this test")) };
        let is_endless = *self.shared.is_endless.lock();
        let next = if is_endless { at.max(1) } else { at + 1 };
        let next_page_token = if next < known.len() || is_endless { next.to_string() } else { String::new() };
        let orders = known.get(at).cloned().into_iter().collect();
        Ok(Response::new(ListOrdersResponse { orders, next_page_token }))
    }
}

impl Shared {
    async fn serve(&self, mut requests: Streaming<CreateOrdersRequest>, answers: &Answers) {
        while let Ok(Some(message)) = requests.message().await {
            let mut results = Vec::new();
            for order in message.orders {
                let reaction = self.react.lock()(&order);
                let (ticket_id, attempt) = (order.ticket_id.clone(), order.attempt);
                self.deliveries.lock().push(order);
                match reaction {
                    Reaction::Answer(outcome) => results.push(OrderResult { ticket_id, attempt, outcome }),
                    Reaction::Send(answers) => results.extend(answers),
                    Reaction::Hold(outcome) => {
                        let result = OrderResult { ticket_id, attempt, outcome: Some(outcome) };
                        let mut held = self.held.lock();
                        if held.released {
                            results.push(result);
                        } else {
                            held.deliveries.push_back((answers.clone(), result));
                        }
                    }
                    Reaction::Ignore => {}
                    Reaction::Break => {
                        let _ = answers.try_send(Err(Status::aborted("broken by the test")));
                        return;
                    }
                }
            }
            let _ = answers.try_send(Ok(CreateOrdersResponse { results, credit: 0 }));
        }
    }
}
