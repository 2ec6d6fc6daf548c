//! The orders of the demo, read from the database of the bundled order system.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use inrush_orders::{OrderState, OrderStore, OrderStoreError};
use inrush_simulation::{
    Error,
    order_source::{OrderSource, StoredOrder},
};
use tokio::runtime::Handle;
use tonic::async_trait;

/// Reads an order database on the runtime of its connections: the simulation has another one.
pub(crate) struct OrderDatabase {
    store: OrderStore,
    runtime: Handle,
}

impl OrderDatabase {
    /// Reads `store`. Must be called on the runtime on which it was opened.
    pub(crate) fn new(store: OrderStore) -> Self {
        Self { store, runtime: Handle::current() }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl Future<Output = Result<T, OrderStoreError>> + Send + 'static,
    ) -> Result<T, Error> {
        match self.runtime.spawn(query).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(unreadable(&error)),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

#[async_trait]
impl OrderSource for OrderDatabase {
    async fn unsettled(&self) -> Result<u64, Error> {
        let store = self.store.clone();
        self.read(async move { store.pending().await }).await
    }

    async fn orders(&self, sale: &str) -> Result<Vec<StoredOrder>, Error> {
        let store = self.store.clone();
        let mut orders = self.read(async move { store.orders().await }).await?;
        orders.retain(|order| order.sale.sale_id == sale);
        orders.sort_unstable_by_key(|order| order.sequence);
        let stored = orders.into_iter().map(|order| StoredOrder {
            ticket_id: order.ticket_id,
            order_id: order.order_id,
            buyer_id: order.buyer_id,
            units: order.units,
            attempt: u32::try_from(order.attempt).unwrap_or(u32::MAX),
            created: UNIX_EPOCH + Duration::from_millis(order.created_at),
            released: order.state == OrderState::Released,
        });
        Ok(stored.collect())
    }
}

impl fmt::Debug for OrderDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderDatabase").finish_non_exhaustive()
    }
}

fn unreadable(error: &dyn fmt::Display) -> Error {
    Error::new(
        format!("the order database cannot be read: {error}"),
        "check that the temporary folder has free space",
    )
}
