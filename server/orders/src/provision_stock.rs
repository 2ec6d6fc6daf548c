//! Provisions the stock of a sale and logs the result.

use tracing::{debug, info, warn};

use crate::order_store::{OrderStore, OrderStoreError, Provisioned, SaleKey, SaleStock};

/// Provisions at least this stock.
pub(crate) async fn provision_stock(
    store: &OrderStore,
    sale: &SaleKey,
    stock: SaleStock,
) -> Result<(), OrderStoreError> {
    let SaleKey { sale_id, created_at } = sale;
    match store.provision(sale.clone(), stock).await? {
        Provisioned::Added => info!(sale_id, created_at, ?stock, "sale provisioned"),
        Provisioned::Restocked { units } => info!(sale_id, created_at, units, "sale restocked"),
        Provisioned::Unchanged => debug!(sale_id, created_at, ?stock, "stock unchanged"),
        Provisioned::Conflict(current) => warn!(
            sale_id,
            created_at,
            ?stock,
            ?current,
            "stock not changed; it can only be raised, since units may be sold"
        ),
    }
    Ok(())
}
