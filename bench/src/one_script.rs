//! The front that a competent team writes in a week: stock tonic on its multi-threaded runtime, one multiplexed
//! connection to Redis, and one script run for each Enqueue. It checks the cap, knows repeated buyers, and answers a
//! number. It has no signed tickets, no batches, no view of the sale in memory and none of the other calls.

use std::net::SocketAddr;

use inrush_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self, BatchPollStatusRequest, BatchPollStatusResponse, CancelRequest, CancelResponse, EnqueueRequest,
        EnqueueResponse, PollStatusRequest, PollStatusResponse, Queued, RefusalReason, Refused, TicketState,
        TicketStatus, WatchStatusRequest, WatchStatusResponse,
        enqueue_response::Outcome,
        queue_service_server::{QueueService, QueueServiceServer},
    },
};
use redis::{Script, aio::MultiplexedConnection};
use tokio::runtime::Builder;
use tokio_stream::Empty;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::startup;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// Most tickets in a sale.
    #[arg(long, default_value_t = 10_000_000)]
    cap: u64,
}

/// Serves until it is killed.
///
/// # Errors
/// If it cannot listen, or Redis is not there.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let connection =
        redis::Client::open(arguments.store.as_str())?.get_multiplexed_async_connection().await?;
    let front = Front { connection, script: Script::new(include_str!("one_script.lua")), cap: arguments.cap };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let incoming = TcpIncoming::bind(arguments.listen)?.with_nodelay(Some(true));
    startup::print_address(incoming.local_addr()?)?;
    Server::builder()
        .add_service(QueueServiceServer::new(front))
        .add_service(reflection)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

struct Front {
    connection: MultiplexedConnection,
    script: Script,
    cap: u64,
}

#[tonic::async_trait]
impl QueueService for Front {
    async fn enqueue(&self, request: Request<EnqueueRequest>) -> Result<Response<EnqueueResponse>, Status> {
        let request = request.into_inner();
        if request.sale_id.is_empty() || request.buyer_id.is_empty() || request.units != 1 {
            return Err(Status::invalid_argument("sale_id and buyer_id are needed, and units must be 1"));
        }
        let (number, repeated): (u64, u8) = self
            .script
            .key(format!("{{{}}}:buyers", request.sale_id))
            .key(format!("{{{}}}:line", request.sale_id))
            .arg(&request.buyer_id)
            .arg(request.units)
            .arg(&request.payload[..])
            .arg(self.cap)
            .invoke_async(&mut self.connection.clone())
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let outcome = match number {
            0 => Outcome::Refused(Refused { reason: RefusalReason::SoldOut.into(), ..Refused::default() }),
            number => Outcome::Queued(queued(&request.sale_id, number, repeated == 1)),
        };
        Ok(Response::new(EnqueueResponse { outcome: Some(outcome) }))
    }

    async fn poll_status(
        &self,
        _: Request<PollStatusRequest>,
    ) -> Result<Response<PollStatusResponse>, Status> {
        Err(only_enqueue())
    }

    async fn batch_poll_status(
        &self,
        _: Request<BatchPollStatusRequest>,
    ) -> Result<Response<BatchPollStatusResponse>, Status> {
        Err(only_enqueue())
    }

    type WatchStatusStream = Empty<Result<WatchStatusResponse, Status>>;

    async fn watch_status(
        &self,
        _: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        Err(only_enqueue())
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        Err(only_enqueue())
    }
}

fn queued(sale: &str, number: u64, repeated: bool) -> Queued {
    let status =
        TicketStatus { state: TicketState::Waiting.into(), position: number, ..TicketStatus::default() };
    Queued {
        ticket: format!("{sale}/{number}"),
        status: Some(status),
        repeated,
        durability: v1::Durability::Memory.into(),
    }
}

fn only_enqueue() -> Status {
    Status::unimplemented("this baseline serves Enqueue only")
}
