//! A collector that stores what it receives.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Everything received so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    /// The resource of each export.
    pub(super) resources: Vec<HashMap<String, String>>,
    /// Names of spans.
    pub(super) spans: Vec<String>,
    /// Bodies of log records.
    pub(super) logs: Vec<String>,
    /// The last values of counters, over all of their series.
    pub(super) counters: BTreeMap<String, i64>,
    /// The last state of histograms with one series.
    pub(super) histograms: BTreeMap<String, Shape>,
}

#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) unit: String,
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
}

/// A running collector.
pub(super) struct Receiver {
    url: String,
    store: Store,
    runtime: Option<Runtime>,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Received>>);

impl Receiver {
    pub(super) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let store = Store::default();
        let address = runtime.block_on(serve(store.clone()));
        Self { url: format!("http://{address}"), store, runtime: Some(runtime) }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn received(&self) -> Received {
        self.store.0.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(store: Store) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(TraceServiceServer::new(store.clone()))
        .add_service(LogsServiceServer::new(store.clone()))
        .add_service(MetricsServiceServer::new(store));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

impl Received {
    fn add_resource(&mut self, resource: Option<Resource>) {
        let attributes = resource.unwrap_or_default().attributes.into_iter();
        let texts = attributes.map(|pair| (pair.key, text(pair.value.and_then(|value| value.value))));
        self.resources.push(texts.collect());
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            received.add_resource(resource.resource);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.spans.extend(spans.map(|span| span.name));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Store {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        for resource in request.into_inner().resource_logs {
            received.add_resource(resource.resource);
            let lines = resource.scope_logs.into_iter().flat_map(|scope| scope.log_records);
            received.logs.extend(lines.map(|line| text(line.body.and_then(|body| body.value))));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Store {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        for resource in request.into_inner().resource_metrics {
            received.add_resource(resource.resource);
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                match metric.data {
                    Some(Data::Sum(sum)) => {
                        let values = sum.data_points.iter().map(|point| match point.value {
                            Some(number_data_point::Value::AsInt(value)) => value,
                            _ => 0,
                        });
                        received.counters.insert(metric.name, values.sum());
                    }
                    Some(Data::Histogram(histogram)) => {
                        for point in histogram.data_points {
                            let shape = Shape {
                                unit: metric.unit.clone(),
                                bounds: point.explicit_bounds,
                                counts: point.bucket_counts,
                                sum: point.sum.unwrap_or_default(),
                            };
                            received.histograms.insert(metric.name.clone(), shape);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Response::new(Default::default()))
    }
}
