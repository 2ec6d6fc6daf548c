//! The requests of one order stream: claims that wait for the stream are merged into one message while it
//! stays small.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use inrush_core::store::MAX_BATCH;
use inrush_proto::v1::{CreateOrdersRequest, OrderRequest};
use tokio::sync::mpsc;
use tokio_stream::Stream;

use crate::{
    statistics::{Counter, Statistics},
    stream::order_lane::Batch,
};

/// A message with this many entries takes no further claim.
const MAX_MERGED_ENTRIES: usize = MAX_BATCH;

/// A message with this many bytes of payload takes no further claim. With the largest claim on top (256
/// payloads of 4 KiB) it is still well below the 4 MiB that servers accept by default.
const MAX_MERGED_PAYLOAD: usize = 1024 * 1024;

/// The messages of one stream. It ends when the window drops the sender.
pub(crate) struct RequestStream {
    pub(crate) queue: mpsc::Receiver<Batch>,
    pub(crate) statistics: Statistics,
}

impl Stream for RequestStream {
    type Item = CreateOrdersRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(mut orders) = ready!(self.queue.poll_recv(cx)) else { return Poll::Ready(None) };
        while orders.len() < MAX_MERGED_ENTRIES && payload(&orders) < MAX_MERGED_PAYLOAD {
            let Ok(more) = self.queue.try_recv() else { break };
            orders.extend(more);
        }
        self.statistics.add(Counter::Sent, orders.len());
        Poll::Ready(Some(CreateOrdersRequest { orders }))
    }
}

fn payload(orders: &[OrderRequest]) -> usize {
    orders.iter().map(|order| order.payload.len()).sum()
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    fn claim(entries: usize, payload: usize) -> Batch {
        let order = OrderRequest { payload: vec![0; payload].into(), ..OrderRequest::default() };
        vec![order; entries]
    }

    async fn messages(claims: Vec<Batch>) -> Vec<usize> {
        let (sender, queue) = mpsc::channel(claims.len());
        for claim in claims {
            sender.try_send(claim).unwrap();
        }
        drop(sender);
        let outbound = RequestStream { queue, statistics: Statistics::default() };
        outbound.map(|message| message.orders.len()).collect().await
    }

    #[tokio::test]
    async fn small_claims_are_merged_into_one_message_and_large_ones_are_not() {
        assert_eq!(messages(vec![claim(1, 0); 5]).await, [5]);
        assert_eq!(messages(vec![claim(200, 0); 3]).await, [400, 200]);
        assert_eq!(messages(vec![claim(256, 4096), claim(1, 4096), claim(1, 0)]).await, [256, 2]);
    }
}
