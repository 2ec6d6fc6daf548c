//! How fast tickets go claim → stream → settle with an order system that does nothing, over a real socket in this process:
//! `cargo run --release -p inrush-fulfilment --example throughput [TICKETS] [STREAMS] [redis://HOST:PORT]`. Without a URL
//! over the memory store; with one over a sale of its own in that Redis, which stays there.

use std::{env, error::Error, pin::Pin, sync::Arc, time::Duration};

use inrush_core::{
    Entry, SaleId, SaleSettings, Store, Timestamp,
    store::{
        AdmitRequest, Expected, MAX_BATCH,
        memory::MemoryStore,
        redis::{RedisSettings, RedisStore},
    },
    time::Clock,
};
use inrush_fulfilment::{FulfilmentSettings, Parts, Statistics};
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, OrderCreated, OrderResult,
    order_creation_service_server::{OrderCreationService, OrderCreationServiceServer},
    order_result::Outcome,
};
use inrush_runtime::shutdown::Shutdown;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

const DEFAULT_TICKETS: u64 = 500_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let tickets = arguments.next().map_or(Ok(DEFAULT_TICKETS), |text| text.parse())?;
    let streams = arguments.next().map_or(Ok(1), |text| text.parse())?;

    let store: Arc<dyn Store> = match arguments.next() {
        Some(url) => RedisStore::connect(RedisSettings::new(url)).await?,
        None => MemoryStore::new(Clock::Store),
    };
    let sale: SaleId = format!("throughput-{}", Timestamp::now().0).parse()?;
    store.configure(&sale, &SaleSettings::of_stock(tickets), Expected::Absent).await?;
    fill(&*store, &sale, tickets).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let settings = FulfilmentSettings {
        orders: vec![format!("http://{}", listener.local_addr()?)],
        streams,
        ..FulfilmentSettings::default()
    };
    let server = Server::builder().add_service(OrderCreationServiceServer::new(DoesNothing));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let (shutdown, statistics) = (Shutdown::new(), Statistics::default());
    let parts = Parts { settings, store, statistics: statistics.clone() };
    let started = Instant::now();
    let worker = tokio::spawn(inrush_fulfilment::run(parts, shutdown.clone()));
    while statistics.counts().ordered < tickets {
        sleep(Duration::from_millis(1)).await;
    }
    let elapsed = started.elapsed();
    shutdown.start("all tickets are ordered");
    worker.await??;
    #[expect(clippy::cast_precision_loss, reason = "a number to look at")]
    let rate = tickets as f64 / elapsed.as_secs_f64();
    println!("{tickets} tickets on {streams} streams in {elapsed:.2?}: {rate:.0} tickets/s");
    println!("{:?}", statistics.counts());
    Ok(())
}

async fn fill(store: &dyn Store, sale: &SaleId, tickets: u64) -> Result<(), Box<dyn Error>> {
    let mut requests = Vec::with_capacity(MAX_BATCH);
    for number in 0..tickets {
        let buyer = format!("buyer-{number:010}").parse()?;
        let entry = Entry { buyer, units: 1, payload: Vec::new(), trace: Vec::new() };
        requests.push(AdmitRequest { entry, supersedes: None });
        if requests.len() == MAX_BATCH || number + 1 == tickets {
            store.admit(sale, &requests).await?;
            requests.clear();
        }
    }
    Ok(())
}

struct DoesNothing;

#[tonic::async_trait]
impl OrderCreationService for DoesNothing {
    type CreateOrdersStream = Pin<Box<dyn Stream<Item = Result<CreateOrdersResponse, Status>> + Send>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let answers = request.into_inner().map(|message| message.map(answer));
        Ok(Response::new(Box::pin(answers)))
    }
}

fn answer(message: CreateOrdersRequest) -> CreateOrdersResponse {
    let results = message.orders.into_iter().map(|order| {
        let outcome = Some(Outcome::Created(OrderCreated { order_id: order.seq.to_string() }));
        OrderResult { ticket_id: order.ticket_id, outcome }
    });
    CreateOrdersResponse { results: results.collect(), credit: 0 }
}
