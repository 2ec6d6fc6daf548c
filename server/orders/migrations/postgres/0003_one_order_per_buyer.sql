-- A buyer has one live order of a sale with stock. 1 marks the orders that this holds for.
ALTER TABLE orders ADD COLUMN one_per_buyer BIGINT NOT NULL DEFAULT 0 CHECK (one_per_buyer IN (0, 1));

-- Of existing orders, the first one of each buyer whose ticket is of the same creation of the sale.
UPDATE orders SET one_per_buyer = 1
WHERE sequence IN (
    SELECT MIN(sequence) FROM orders JOIN activity_stock USING (sale_id, sale_created_at)
    WHERE state <> 'released' AND stock IS NOT NULL
      AND substr(ticket_id, 1, length(sale_id || '/' || sale_created_at || '/'))
          = sale_id || '/' || sale_created_at || '/'
    GROUP BY sale_id, sale_created_at, buyer_id
);
CREATE UNIQUE INDEX orders_one_per_buyer ON orders (sale_id, sale_created_at, buyer_id)
    WHERE one_per_buyer = 1 AND state <> 'released';
