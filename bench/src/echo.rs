//! The baseline of all benchmarks: stock tonic with an empty unary call (`grpc.health.v1.Health/Check`, a response of two
//! bytes) and reflection, with tonic's default settings and the system's allocator.

use std::{net::SocketAddr, num::NonZeroUsize, pin::Pin};

use clap::ValueEnum;
use inrush_runtime::{listen, per_core::PerCore, shutdown::Shutdown};
use tokio::runtime::Builder;
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status,
    transport::{
        Server,
        server::{Router, TcpIncoming},
    },
};
use tonic_health::pb::{
    FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::startup;

/// The runtime of the server.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Runtime {
    /// One runtime on all cores, as `#[tokio::main]` makes it.
    Multi,
    /// One single-threaded runtime on each core; the kernel spreads the connections over them (`SO_REUSEPORT`).
    PerCore,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_enum, default_value_t = Runtime::Multi)]
    runtime: Runtime,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Serves until it is killed.
///
/// # Errors
/// If it cannot listen.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.runtime {
        Runtime::Multi => Builder::new_multi_thread().enable_all().build()?.block_on(multi(arguments.listen)),
        Runtime::PerCore => {
            Builder::new_current_thread().enable_all().build()?.block_on(per_core(arguments.listen))
        }
    }
}

async fn multi(address: SocketAddr) -> anyhow::Result<()> {
    let incoming = TcpIncoming::bind(address)?.with_nodelay(Some(true));
    startup::print_address(incoming.local_addr()?)?;
    router()?.serve_with_incoming(incoming).await?;
    Ok(())
}

async fn per_core(address: SocketAddr) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let listeners = listen::bind_many(&address.to_string(), "--listen", cores)?;
    for listener in listeners.iter().take(1) {
        startup::print_address(listener.local_addr()?)?;
    }
    PerCore::start("echo", listeners, &Shutdown::new(), |core| async move {
        let listener = tokio::net::TcpListener::from_std(core.input)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        router()?.serve_with_incoming(incoming).await?;
        anyhow::Ok(())
    })?
    .join()
    .await?;
    Ok(())
}

fn router() -> anyhow::Result<Router> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Ok(Server::builder().add_service(HealthServer::new(AlwaysServing)).add_service(reflection))
}

struct AlwaysServing;

#[tonic::async_trait]
impl Health for AlwaysServing {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only Check is served"))
    }
}
