//! Provisions the stock of a sale and logs the result.

use tracing::{debug, info, warn};

use crate::order_store::{OrderStore, OrderStoreError, Provisioned, SaleStock};

/// Provisions at least this stock.
pub(crate) async fn provision_stock(
    store: &OrderStore,
    sale_id: &str,
    stock: SaleStock,
) -> Result<(), OrderStoreError> {
    match store.provision(sale_id, stock).await? {
        Provisioned::Added => info!(sale_id, ?stock, "sale provisioned"),
        Provisioned::Restocked { units } => info!(sale_id, units, "sale restocked"),
        Provisioned::Unchanged => debug!(sale_id, ?stock, "stock unchanged"),
        Provisioned::Conflict(current) => warn!(
            sale_id,
            ?stock,
            ?current,
            "stock not changed; it can only be raised, since units may be sold"
        ),
    }
    Ok(())
}
