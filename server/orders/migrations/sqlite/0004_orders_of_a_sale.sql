-- ListOrders reads the orders of one creation of a sale, page by page.
CREATE INDEX orders_of_a_sale ON orders (sale_id, sale_created_at, sequence);
