-- The stock of a sale belongs to one creation of it: a sale that is deleted and created again under its name has a
-- stock of its own. 0 stands for a creation that is not known; such a row is the only one of its sale, and becomes that
-- of the first creation that is.
ALTER TABLE orders DROP CONSTRAINT orders_sale_id_fkey;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_sale_id_fkey;
ALTER TABLE activity_stock DROP CONSTRAINT activity_stock_pkey;
ALTER TABLE activity_stock ADD COLUMN sale_created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN sale_created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stock_movements ADD COLUMN sale_created_at BIGINT NOT NULL DEFAULT 0;

-- Existing stock is that of the latest creation that has orders. A ticket, sale/epoch/seq, names it: until now, the
-- epoch was the time of the sale's creation.
UPDATE activity_stock SET sale_created_at = latest.epoch
FROM (
    SELECT sale_id, MAX(CAST(split_part(ticket_id, '/', 2) AS BIGINT)) AS epoch FROM orders
    WHERE ticket_id ~ '^[^/]+/[0-9]{1,18}/[0-9]+$'
    GROUP BY sale_id
) AS latest
WHERE latest.sale_id = activity_stock.sale_id;
UPDATE orders SET sale_created_at = activity_stock.sale_created_at
FROM activity_stock WHERE activity_stock.sale_id = orders.sale_id;
UPDATE stock_movements SET sale_created_at = activity_stock.sale_created_at
FROM activity_stock WHERE activity_stock.sale_id = stock_movements.sale_id;

ALTER TABLE activity_stock ADD PRIMARY KEY (sale_id, sale_created_at);
ALTER TABLE orders ADD FOREIGN KEY (sale_id, sale_created_at) REFERENCES activity_stock ON UPDATE CASCADE;
ALTER TABLE stock_movements ADD FOREIGN KEY (sale_id, sale_created_at) REFERENCES activity_stock ON UPDATE CASCADE;
DROP INDEX stock_movements_by_sale;
CREATE INDEX stock_movements_by_sale ON stock_movements (sale_id, sale_created_at);
