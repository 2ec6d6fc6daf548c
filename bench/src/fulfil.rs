//! Measures claim → stream → settle with an order system that does nothing: fulfilment and the order system in this
//! process, with a real socket between them, on a Redis whose queue was filled before.

use std::{pin::Pin, time::Duration};

use anyhow::bail;
use inrush_fulfilment::{FulfilmentSettings, Parts, Statistics};
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, ListOrdersRequest, ListOrdersResponse, OrderCreated,
    OrderResult,
    order_creation_service_server::{OrderCreationService, OrderCreationServiceServer},
    order_result::Outcome,
};
use inrush_runtime::shutdown::Shutdown;
use inrush_store::redis::{RedisSettings, RedisStore};
use inrush_telemetry::Metrics;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Longer than any run takes.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// The number of waiting tickets.
    #[arg(long)]
    tickets: u64,
    /// Streams to the order system.
    #[arg(long, default_value_t = 1)]
    streams: usize,
}

/// Fulfils the queue and prints how long it took.
///
/// # Errors
/// If the store is unavailable, or on a timeout.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(fulfil(arguments))
}

async fn fulfil(arguments: &Arguments) -> anyhow::Result<()> {
    let store = RedisStore::connect(RedisSettings::new(&arguments.store)).await?;
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
    let settings = FulfilmentSettings {
        orders: vec![format!("http://{}", incoming.local_addr()?)],
        streams: arguments.streams,
        ..FulfilmentSettings::default()
    };
    let orders = Server::builder().add_service(OrderCreationServiceServer::new(NoopOrderSystem));
    tokio::spawn(orders.serve_with_incoming(incoming));

    let (shutdown, statistics) = (Shutdown::new(), Statistics::default());
    let parts =
        Parts { settings, store, statistics: statistics.clone(), metrics: Metrics::default(), traces: None };
    let started = Instant::now();
    let worker = tokio::spawn(inrush_fulfilment::run(parts, shutdown.clone()));
    while statistics.counts().ordered < arguments.tickets {
        if worker.is_finished() || started.elapsed() > TIMEOUT {
            bail!("only {} of {} tickets were ordered", statistics.counts().ordered, arguments.tickets);
        }
        sleep(POLL_INTERVAL).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    shutdown.start("all tickets are ordered");
    worker.await??;
    println!("{}", serde_json::json!({ "tickets": arguments.tickets, "seconds": seconds }));
    Ok(())
}

struct NoopOrderSystem;

#[tonic::async_trait]
impl OrderCreationService for NoopOrderSystem {
    type CreateOrdersStream = Pin<Box<dyn Stream<Item = Result<CreateOrdersResponse, Status>> + Send>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let answers = request.into_inner().map(|message| message.map(answer));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_orders(
        &self,
        _request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented("this order system keeps no orders"))
    }
}

fn answer(message: CreateOrdersRequest) -> CreateOrdersResponse {
    let results = message.orders.into_iter().map(|order| {
        let outcome = Some(Outcome::Created(OrderCreated { order_id: order.seq.to_string() }));
        OrderResult { ticket_id: order.ticket_id, attempt: order.attempt, outcome }
    });
    CreateOrdersResponse { results: results.collect(), credit: 0 }
}
