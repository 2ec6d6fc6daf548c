-- The stock of a sale belongs to one creation of it: a sale that is deleted and created again under its name has a
-- stock of its own. 0 stands for a creation that is not known; such a row is the only one of its sale, and becomes that
-- of the first creation that is.
--
-- SQLite cannot change keys: the tables are written anew.
CREATE TABLE new_activity_stock (
    sale_id         TEXT   NOT NULL,
    sale_created_at BIGINT NOT NULL,
    stock           BIGINT CHECK (stock >= 0),
    remaining       BIGINT CHECK (remaining >= 0 AND remaining <= stock),
    PRIMARY KEY (sale_id, sale_created_at),
    CHECK ((stock IS NULL) = (remaining IS NULL))
);

-- Existing stock is that of the latest creation that has orders. A ticket, sale/epoch/seq, names it: until now, the
-- epoch was the time of the sale's creation. The cast reads the digits that the text starts with.
INSERT INTO new_activity_stock (sale_id, sale_created_at, stock, remaining)
SELECT sale_id,
       COALESCE((SELECT MAX(CAST(substr(ticket_id, instr(ticket_id, '/') + 1, 18) AS INTEGER)) FROM orders
                 WHERE orders.sale_id = activity_stock.sale_id AND ticket_id GLOB '*/[0-9]*/[0-9]*'), 0),
       stock, remaining
FROM activity_stock;

CREATE TABLE new_orders (
    sequence             INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket_id            TEXT   NOT NULL UNIQUE,
    order_id             TEXT   NOT NULL UNIQUE,
    sale_id              TEXT   NOT NULL,
    sale_created_at      BIGINT NOT NULL,
    seq                  BIGINT NOT NULL,
    buyer_id             TEXT   NOT NULL,
    units                BIGINT NOT NULL CHECK (units > 0),
    -- Which delivery of the entry it was created from, 1 being the first.
    attempt              BIGINT NOT NULL CHECK (attempt > 0),
    state                TEXT   NOT NULL CHECK (state IN ('paid', 'awaiting_payment', 'released')),
    created_at           BIGINT NOT NULL,
    -- NULL for an order that was paid at once.
    payment_deadline     BIGINT,
    released_at          BIGINT,
    -- 1 once the queue knows that the order was released.
    release_acknowledged BIGINT NOT NULL DEFAULT 0 CHECK (release_acknowledged IN (0, 1)),
    -- When the queue is told next.
    acknowledge_at       BIGINT,
    FOREIGN KEY (sale_id, sale_created_at) REFERENCES new_activity_stock ON UPDATE CASCADE,
    CHECK ((state = 'released') = (released_at IS NOT NULL)),
    CHECK (state <> 'awaiting_payment' OR payment_deadline IS NOT NULL)
);
INSERT INTO new_orders
    (sequence, ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state, created_at,
     payment_deadline, released_at, release_acknowledged, acknowledge_at)
SELECT sequence, ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state, created_at,
       payment_deadline, released_at, release_acknowledged, acknowledge_at
FROM orders JOIN new_activity_stock USING (sale_id)
ORDER BY sequence;

CREATE TABLE new_stock_movements (
    movement        INTEGER PRIMARY KEY AUTOINCREMENT,
    sale_id         TEXT   NOT NULL,
    sale_created_at BIGINT NOT NULL,
    kind            TEXT   NOT NULL CHECK (kind IN ('provision', 'order', 'release', 'restock')),
    -- What the change added to the remaining units; below zero for an order.
    units           BIGINT NOT NULL,
    -- Whose order it was, for 'order' and 'release'.
    ticket_id       TEXT,
    moved_at        BIGINT NOT NULL,
    FOREIGN KEY (sale_id, sale_created_at) REFERENCES new_activity_stock ON UPDATE CASCADE,
    CHECK ((kind IN ('order', 'release')) = (ticket_id IS NOT NULL)),
    -- A ticket takes stock once and gives it back once.
    UNIQUE (ticket_id, kind)
);
INSERT INTO new_stock_movements (movement, sale_id, sale_created_at, kind, units, ticket_id, moved_at)
SELECT movement, sale_id, sale_created_at, kind, units, ticket_id, moved_at
FROM stock_movements JOIN new_activity_stock USING (sale_id)
ORDER BY movement;

DROP TABLE stock_movements;
DROP TABLE orders;
DROP TABLE activity_stock;
ALTER TABLE new_activity_stock RENAME TO activity_stock;
ALTER TABLE new_orders RENAME TO orders;
ALTER TABLE new_stock_movements RENAME TO stock_movements;

CREATE INDEX orders_awaiting_payment ON orders (payment_deadline) WHERE state = 'awaiting_payment';
CREATE INDEX orders_to_acknowledge ON orders (acknowledge_at)
    WHERE state = 'released' AND release_acknowledged = 0;
CREATE INDEX stock_movements_by_sale ON stock_movements (sale_id, sale_created_at);
