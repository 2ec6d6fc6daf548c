//! Claims on their way into a stream: those that wait go into one message, as long as it stays small.

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

/// Entries after which a message takes no further claim.
const MAX_MERGED_ENTRIES: usize = MAX_BATCH;

/// Bytes of payload after which a message takes no further claim. With the largest claim on top (256 payloads of
/// 4 KiB) it is still well below the 4 MiB that servers take by default.
const MAX_MERGED_PAYLOAD: usize = 1024 * 1024;

/// The messages of one stream. It ends when the window drops its end of the queue.
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
    async fn small_claims_share_a_message_and_large_ones_do_not() {
        assert_eq!(messages(vec![claim(1, 0); 5]).await, [5]);
        assert_eq!(messages(vec![claim(200, 0); 3]).await, [400, 200]);
        assert_eq!(messages(vec![claim(256, 4096), claim(1, 4096), claim(1, 0)]).await, [256, 2]);
    }
}
