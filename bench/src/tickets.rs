//! The tickets that [`crate::fill`] wrote, and connections to poll them.

use std::path::Path;

use anyhow::Context as _;
use inrush_proto::v1::{PollStatusRequest, queue_service_client::QueueServiceClient};
use prost::Message as _;
use tonic::transport::{Channel, Endpoint};

/// Reads up to `max` tickets from a file of length-prefixed PollStatusRequests.
pub(crate) fn read(path: &Path, max: usize) -> anyhow::Result<Vec<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rest = bytes.as_slice();
    let mut tickets = Vec::with_capacity(max);
    while !rest.is_empty() && tickets.len() < max {
        tickets.push(PollStatusRequest::decode_length_delimited(&mut rest)?.ticket);
    }
    Ok(tickets)
}

/// Opens connections to a front.
pub(crate) async fn connect(
    address: &str,
    connections: usize,
) -> anyhow::Result<Vec<QueueServiceClient<Channel>>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(QueueServiceClient::new(endpoint.connect().await?));
    }
    Ok(clients)
}
