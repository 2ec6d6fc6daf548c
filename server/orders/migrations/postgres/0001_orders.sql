-- Times are milliseconds since 1970-01-01 UTC.

-- What each sale may still sell. Both numbers are NULL for a sale without stock.
CREATE TABLE activity_stock (
    sale_id   TEXT   NOT NULL PRIMARY KEY,
    stock     BIGINT CHECK (stock >= 0),
    remaining BIGINT CHECK (remaining >= 0 AND remaining <= stock),
    CHECK ((stock IS NULL) = (remaining IS NULL))
);

-- One row per order. The ticket is the idempotency key: it can have one order at most.
CREATE TABLE orders (
    sequence             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id            TEXT   NOT NULL UNIQUE,
    order_id             TEXT   NOT NULL UNIQUE,
    sale_id              TEXT   NOT NULL REFERENCES activity_stock (sale_id),
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
    CHECK ((state = 'released') = (released_at IS NOT NULL)),
    CHECK (state <> 'awaiting_payment' OR payment_deadline IS NOT NULL)
);

CREATE INDEX orders_awaiting_payment ON orders (payment_deadline) WHERE state = 'awaiting_payment';
CREATE INDEX orders_to_acknowledge ON orders (acknowledge_at)
    WHERE state = 'released' AND release_acknowledged = 0;

-- The ledger: one row for every change of stock. For every sale with stock, sum(units) = remaining.
CREATE TABLE stock_movements (
    movement  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale_id   TEXT   NOT NULL REFERENCES activity_stock (sale_id),
    kind      TEXT   NOT NULL CHECK (kind IN ('provision', 'order', 'release', 'restock')),
    -- What the change added to the remaining units; below zero for an order.
    units     BIGINT NOT NULL,
    -- Whose order it was, for 'order' and 'release'.
    ticket_id TEXT,
    moved_at  BIGINT NOT NULL,
    CHECK ((kind IN ('order', 'release')) = (ticket_id IS NOT NULL)),
    -- A ticket takes stock once and gives it back once.
    UNIQUE (ticket_id, kind)
);

CREATE INDEX stock_movements_by_sale ON stock_movements (sale_id);
