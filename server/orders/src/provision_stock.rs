//! Puts a sale's stock into the book and says what came of it.

use tracing::{debug, info, warn};

use crate::order_store::{BookError, OrderBook, Provisioned, SaleStock};

/// Sees to it that a sale has at least this stock.
pub(crate) async fn provision(book: &OrderBook, sale_id: &str, stock: SaleStock) -> Result<(), BookError> {
    match book.provision(sale_id, stock).await? {
        Provisioned::Added => info!(sale_id, ?stock, "sale provisioned"),
        Provisioned::Restocked { units } => info!(sale_id, units, "sale restocked"),
        Provisioned::Unchanged => debug!(sale_id, ?stock, "stock is as it was"),
        Provisioned::Kept(present) => warn!(
            sale_id,
            ?stock,
            ?present,
            "the order database keeps the stock it has, because orders may rely on it: it can only be raised"
        ),
    }
    Ok(())
}
