//! A collector that counts what it receives and discards it. It shares the machine with what is measured, which a real
//! collector does not, so it decodes no more than it needs to count.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use serde_json::json;
use tokio::{runtime::Builder, time::interval};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::http,
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::startup;

const PRINT_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Serves until it is killed, and prints a line of totals when they have changed.
///
/// # Errors
/// If it cannot listen.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(serve(arguments.listen))
}

async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let incoming = TcpIncoming::bind(address)?.with_nodelay(Some(true));
    startup::print_address(incoming.local_addr()?)?;
    let sink = Sink::default();
    tokio::spawn(print_totals(sink.clone()));
    Server::builder()
        .add_service(Signal::<SPANS>(sink.clone()))
        .add_service(Signal::<METRICS>(sink.clone()))
        .add_service(Signal::<LOGS>(sink))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

async fn print_totals(sink: Sink) {
    let mut printed = [0; 3];
    let mut ticks = interval(PRINT_INTERVAL);
    loop {
        ticks.tick().await;
        let totals = sink.totals();
        if totals != printed {
            let [spans, metrics, logs] = totals;
            println!("{}", json!({ "spans": spans, "metrics": metrics, "logs": logs }));
            printed = totals;
        }
    }
}

/// Totals of received spans, metrics and log lines.
#[derive(Clone, Default)]
struct Sink(Arc<[AtomicU64; 3]>);

impl Sink {
    fn totals(&self) -> [u64; 3] {
        [0, 1, 2].map(|index| self.0.get(index).map_or(0, |total| total.load(Ordering::Relaxed)))
    }

    fn add(&self, index: usize, count: usize) {
        if let Some(total) = self.0.get(index) {
            total.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}

/// One of the three services of a collector.
#[derive(Clone)]
struct Signal<const INDEX: usize>(Sink);

const SPANS: usize = 0;
const METRICS: usize = 1;
const LOGS: usize = 2;

impl NamedService for Signal<SPANS> {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl NamedService for Signal<METRICS> {
    const NAME: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
}

impl NamedService for Signal<LOGS> {
    const NAME: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
}

/// An export of any of the three, which have their items in the same place. Items are not decoded.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    processes: Vec<ResourceItems>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceItems {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeItems>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeItems {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    items: Vec<Bytes>,
}

/// The empty response of all three.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {}

impl<const INDEX: usize> Signal<INDEX> {
    fn count(&self, export: &Export) {
        let scopes = export.processes.iter().flat_map(|process| &process.scopes);
        self.0.add(INDEX, scopes.map(|scope| scope.items.len()).sum());
    }
}

/// Each service has one method, `Export`.
impl<const INDEX: usize> Service<http::Request<Body>> for Signal<INDEX> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let signal = self.clone();
        let export = service_fn(move |request: Request<Export>| {
            signal.count(request.get_ref());
            ready(Ok::<_, Status>(Response::new(ExportResponse {})))
        });
        async move { Ok(Grpc::new(ProstCodec::default()).unary(export, request).await) }.boxed()
    }
}
