//! A collector that counts what it gets and forgets it: as cheap as one that reads everything can be.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use serde_json::json;
use tokio::{runtime::Builder, time::interval};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::announce;

/// How often it tells what has come.
const TELL: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Serves until it is killed, and prints a line of totals whenever something has come.
///
/// # Errors
/// If it cannot listen.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(serve(arguments.listen))
}

async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let incoming = TcpIncoming::bind(address)?.with_nodelay(Some(true));
    announce::listening(incoming.local_addr()?)?;
    let sink = Sink::default();
    tokio::spawn(tell(sink.clone()));
    Server::builder()
        .add_service(TraceServiceServer::new(sink.clone()))
        .add_service(MetricsServiceServer::new(sink.clone()))
        .add_service(LogsServiceServer::new(sink))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

async fn tell(sink: Sink) {
    let mut told = [0; 3];
    let mut times = interval(TELL);
    loop {
        times.tick().await;
        let totals = sink.totals();
        if totals != told {
            let [spans, metrics, logs] = totals;
            println!("{}", json!({ "spans": spans, "metrics": metrics, "logs": logs }));
            told = totals;
        }
    }
}

/// What has come: spans, metrics of one export each, log lines.
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

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_ref().resource_spans.iter().flat_map(|process| &process.scope_spans);
        self.add(0, scopes.map(|scope| scope.spans.len()).sum());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Sink {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes = request.get_ref().resource_metrics.iter().flat_map(|process| &process.scope_metrics);
        self.add(1, scopes.map(|scope| scope.metrics.len()).sum());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Sink {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let scopes = request.get_ref().resource_logs.iter().flat_map(|process| &process.scope_logs);
        self.add(2, scopes.map(|scope| scope.log_records.len()).sum());
        Ok(Response::new(Default::default()))
    }
}
