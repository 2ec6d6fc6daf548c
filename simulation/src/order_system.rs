//! The simulation's own order system: `inrush.v1.OrderCreationService` over real gRPC, in front of a [`OrderModel`].

mod intake;
mod log;
mod model;

pub use log::{Delivery, OrderLog, OrderRecord, OrderRecords, order_hash, order_id};
pub use model::{ModelSettings, OrderModel};

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use inrush_proto::v1::{
    CreateOrdersResponse, OrderCreated, OrderRejected, OrderResult, OrderRetry,
    order_creation_service_server::OrderCreationServiceServer, order_result::Outcome,
};
use inrush_transport::Error;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::{Instant as TokioInstant, sleep_until},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use self::{
    intake::{AnswerSender, Intake, Wanted},
    model::{Done, Job, Made},
};

/// Capacity of the channel from the streams to the model. Flow control of the streams holds back the rest.
const ON_THEIR_WAY: usize = 8_192;

/// Calls on one connection: a load without a queue in front of it has very many.
const CONCURRENT_STREAMS: u32 = 1_000_000;

/// Maximum number of streams that callers reset before they were accepted: this load measures exactly that.
const RESET_STREAMS: usize = 1_000_000;

/// When to retry if too many jobs wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How an order system is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderSystemSettings {
    /// What it can do.
    pub model: ModelSettings,
    /// How many entries may be unanswered on a stream.
    pub credit: u32,
}

/// A running order system. It ends when it is dropped.
#[derive(Debug)]
pub struct OrderSystem {
    address: SocketAddr,
    log: Arc<OrderLog>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The caller of a job.
#[derive(Debug)]
struct Caller {
    wanted: Wanted,
    answers: AnswerSender,
}

impl OrderSystem {
    /// Serves on `listen` from a thread of its own. Times in its log are since `opening`.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub fn start(listen: &str, settings: OrderSystemSettings, opening: Instant) -> Result<Self, Error> {
        let no_port = |error: io::Error| {
            Error::new(
                format!("the order system cannot listen on {listen:?}: {error}"),
                "give --orders-listen as an address and a free port, such as 127.0.0.1:50061",
            )
        };
        let listener = TcpListener::bind(listen).map_err(no_port)?;
        listener.set_nonblocking(true).map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let log = Arc::new(OrderLog::default());
        let (stop, stopped) = oneshot::channel();
        let running = Running { log: Arc::clone(&log), settings, opening: opening.into() };
        let thread = thread::Builder::new().name("order system".to_owned()).spawn(move || {
            if let Err(error) = running.serve(listener, stopped) {
                let _ = writeln!(io::stderr(), "warning: the order system failed: {error}");
            }
        });
        let thread = thread.map_err(no_port)?;
        Ok(Self { address, log, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its deliveries and orders.
    pub fn log(&self) -> &Arc<OrderLog> {
        &self.log
    }
}

impl Drop for OrderSystem {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have failed before.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Running {
    log: Arc<OrderLog>,
    settings: OrderSystemSettings,
    opening: TokioInstant,
}

impl Running {
    /// Serves until it is stopped. Open streams are then cut.
    fn serve(self, listener: TcpListener, stopped: oneshot::Receiver<()>) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, wanted) = mpsc::channel(ON_THEIR_WAY);
        let intake =
            Intake { jobs, log: Arc::clone(&self.log), credit: self.settings.credit, opening: self.opening };
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let server = Server::builder()
                .tcp_nodelay(true)
                .max_concurrent_streams(CONCURRENT_STREAMS)
                .http2_max_pending_accept_reset_streams(Some(RESET_STREAMS))
                .http2_max_local_error_reset_streams(Some(RESET_STREAMS))
                .serve_with_incoming(
                    OrderCreationServiceServer::new(intake),
                    TcpListenerStream::new(listener),
                );
            tokio::select! {
                served = server => served.map_err(io::Error::other),
                () = self.work(wanted) => Ok(()),
                _ = stopped => Ok(()),
            }
        })
    }

    /// Feeds the model and sends its answers.
    async fn work(&self, mut wanted: mpsc::Receiver<(Wanted, AnswerSender)>) {
        let mut model = OrderModel::new(self.settings.model.clone());
        let mut open = true;
        while open {
            let next = model.next_finish().map(|at| self.opening + at);
            let came = tokio::select! {
                came = wanted.recv() => match came {
                    Some(came) => Some(came),
                    None => { open = false; None }
                },
                () = sleep_until(next.unwrap_or_else(TokioInstant::now)), if next.is_some() => None,
            };
            let now = self.opening.elapsed();
            while let Some(done) = model.finish(now) {
                self.answer(done);
            }
            let mut came = came;
            while let Some((wanted_now, answers)) = came {
                self.take(&mut model, now, wanted_now, answers);
                came = wanted.try_recv().ok();
            }
        }
    }

    fn take(&self, model: &mut OrderModel<Caller>, now: Duration, wanted: Wanted, answers: AnswerSender) {
        let ticket: Box<str> = wanted.ticket_id.as_str().into();
        let units = wanted.units;
        let job = Job { ticket, units, reply: Caller { wanted, answers } };
        if let Err(refused) = model.offer(now, job) {
            self.log.lock().written.refused += 1;
            let retry = OrderRetry {
                retry_after: prost_types::Duration::try_from(RETRY_AFTER).ok(),
                reason: "too many orders are waiting".to_owned(),
            };
            // The caller has disconnected, or will retry.
            let _ = refused.reply.send(Outcome::Retry(retry));
        }
    }

    fn answer(&self, Done { at, job, made }: Done<Caller>) {
        let outcome = match made {
            Made::Created(number) | Made::Existed(number) => {
                Outcome::Created(OrderCreated { order_id: order_id(number) })
            }
            Made::SoldOut => Outcome::Rejected(OrderRejected { reason: "sold out".to_owned() }),
        };
        let wanted = job.reply.wanted.clone();
        let caller_gone = !job.reply.send(outcome);
        let written = &mut self.log.lock().written;
        written.abandoned += u64::from(caller_gone);
        if let Made::Created(number) = made {
            let Wanted { epoch, seq, buyer, units, .. } = wanted;
            let id_hash = order_hash(&order_id(number));
            let released = false;
            written.orders.push(OrderRecord {
                at,
                number,
                id_hash,
                epoch,
                seq,
                buyer,
                units,
                caller_gone,
                released,
            });
        }
    }
}

impl Caller {
    /// False: the caller has disconnected.
    fn send(self, outcome: Outcome) -> bool {
        let result = OrderResult {
            ticket_id: self.wanted.ticket_id,
            attempt: self.wanted.attempt,
            outcome: Some(outcome),
        };
        let answer = CreateOrdersResponse { results: vec![result], credit: 0 };
        !matches!(self.answers.try_send(Ok(answer)), Err(mpsc::error::TrySendError::Closed(_)))
    }
}
