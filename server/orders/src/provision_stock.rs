//! Puts a sale's stock into the book and says what came of it.

use tracing::{debug, info, warn};

use crate::order_store::{OrderStore, OrderStoreError, Provisioned, SaleStock};

/// Sees to it that a sale has at least this stock.
pub(crate) async fn provision_stock(
    store: &OrderStore,
    sale_id: &str,
    stock: SaleStock,
) -> Result<(), OrderStoreError> {
    match store.provision(sale_id, stock).await? {
        Provisioned::Added => info!(sale_id, ?stock, "sale provisioned"),
        Provisioned::Restocked { units } => info!(sale_id, units, "sale restocked"),
        Provisioned::Unchanged => debug!(sale_id, ?stock, "stock is as it was"),
        Provisioned::Conflict(current) => warn!(
            sale_id,
            ?stock,
            ?current,
            "the order database keeps the stock it has, because orders may rely on it: it can only be raised"
        ),
    }
    Ok(())
}
