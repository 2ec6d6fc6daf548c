//! The SQL statements of each database.
//!
//! Lists of rows are passed as one JSON parameter. A statement is therefore the same text for any number of
//! rows, is prepared once per connection, and costs one round trip.
//!
//! All times are by the clock of the database, so that a replica whose clock is wrong releases no order early.

use std::sync::LazyLock;

/// The statements of one database.
pub(super) struct Statements {
    /// Opens a transaction that other writers cannot make fail halfway.
    pub(super) begin: &'static str,
    /// `$1` sales. The remaining units of these creations and of the latest of each sale, as far as they are known,
    /// locked in one order so that two transactions never deadlock.
    pub(super) lock_stock: &'static str,
    /// `$1` sales, each once. The stock that belongs to no creation becomes that of this one.
    pub(super) bind_stock: &'static str,
    /// `$1` keys of orders. The orders of these tickets, and the live ones of these buyers.
    pub(super) find_orders: &'static str,
    /// `$1` orders. A ticket or a buyer that has an order by now is skipped, and so not counted as affected.
    pub(super) insert_orders: &'static str,
    /// `$1` movements.
    pub(super) insert_movements: &'static str,
    /// `$1` a change of remaining units per sale. A change below zero is not made.
    pub(super) change_remaining: &'static str,
    /// `$1` limit. Orders whose payment is overdue, locked; those locked by another replica are skipped.
    pub(super) overdue_orders: &'static str,
    /// `$1` ticket ids. Only orders that are not paid.
    pub(super) mark_released: &'static str,
    /// `$1` ticket ids.
    pub(super) mark_acknowledged: &'static str,
    /// `$1` limit. Released orders of which the front is to be notified now.
    pub(super) unacknowledged_releases: &'static str,
    /// `$1` ticket ids, `$2` minimum and `$3` maximum delay. Waits as long again as it has waited so far.
    pub(super) postpone_acknowledgement: &'static str,
    /// `$1` ticket ids, `$2` delay. The front is notified once more of releases that it has acknowledged.
    pub(super) notify_again: &'static str,
}

/// Succeeds if the schema can be read.
pub(super) const CHECK: &str = "SELECT sale_id FROM activity_stock LIMIT 1";

/// `$1` sale, `$2` its creation, `$3` stock or NULL. Does nothing if the sale exists.
pub(super) const INSERT_STOCK: &str = "
    INSERT INTO activity_stock (sale_id, sale_created_at, stock, remaining) VALUES ($1, $2, $3, $3)
    ON CONFLICT (sale_id, sale_created_at) DO NOTHING";

/// `$1` sale, `$2` its creation.
pub(super) const READ_STOCK_OF: &str = "
    SELECT stock FROM activity_stock WHERE sale_id = $1 AND sale_created_at = $2";

/// `$1` sale, `$2` its creation, `$3` units more.
pub(super) const RAISE_STOCK: &str = "
    UPDATE activity_stock SET stock = stock + $3, remaining = remaining + $3
    WHERE sale_id = $1 AND sale_created_at = $2";

/// The time of a statement, in milliseconds since 1970-01-01 UTC.
const SQLITE_NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
const POSTGRES_NOW: &str = "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)";

/// The statement with this expression for `{now}`.
fn timed(now: &str, statement: &str) -> &'static str {
    statement.replace("{now}", now).leak()
}

/// Every order, in the order of creation.
pub(super) const READ_ORDERS: &str = "
    SELECT sequence, ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
           created_at, payment_deadline, released_at, release_acknowledged
    FROM orders
    ORDER BY sequence";

/// `$1` sale, `$2` its creation, `$3` sequence to start after, `$4` only orders created or released then or later, `$5`
/// limit. In the order of creation.
pub(super) const READ_ORDERS_OF: &str = "
    SELECT sequence, ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
           created_at, payment_deadline, released_at, release_acknowledged
    FROM orders
    WHERE sale_id = $1 AND sale_created_at = $2 AND sequence > $3
      AND (created_at >= $4 OR released_at >= $4)
    ORDER BY sequence
    LIMIT $5";

/// The number of orders that are not paid, or released and not acknowledged.
pub(super) const COUNT_PENDING: &str = "
    SELECT COUNT(*) AS pending FROM orders
    WHERE state = 'awaiting_payment' OR (state = 'released' AND release_acknowledged = 0)";

/// Every change of stock, in order.
pub(super) const READ_MOVEMENTS: &str = "
    SELECT movement, sale_id, sale_created_at, kind, units, ticket_id, moved_at FROM stock_movements
    ORDER BY movement";

/// Every sale with its stock and the sum of its movements.
pub(super) const READ_STOCK: &str = "
    SELECT sale_id, sale_created_at, stock, remaining,
           CAST(COALESCE((SELECT SUM(units) FROM stock_movements
                          WHERE stock_movements.sale_id = activity_stock.sale_id
                            AND stock_movements.sale_created_at = activity_stock.sale_created_at), 0) AS BIGINT)
               AS moved
    FROM activity_stock
    ORDER BY sale_id, sale_created_at";

/// SQLite has one writer at a time: a transaction that writes locks at its start, and then needs no row
/// locks.
pub(super) static SQLITE: LazyLock<Statements> = LazyLock::new(|| {
    Statements {
    begin: "BEGIN IMMEDIATE",
    lock_stock: "
        SELECT sale_id, sale_created_at, remaining FROM activity_stock
        WHERE sale_id IN (SELECT value ->> 'sale_id' FROM json_each($1))
          AND (sale_created_at IN (SELECT value ->> 'created_at' FROM json_each($1))
               OR sale_created_at = (SELECT MAX(sale_created_at) FROM activity_stock AS same
                                     WHERE same.sale_id = activity_stock.sale_id))",
    bind_stock: "
        UPDATE activity_stock SET sale_created_at = sale.created_at
        FROM (SELECT value ->> 'sale_id' AS sale_id, value ->> 'created_at' AS created_at FROM json_each($1)) AS sale
        WHERE activity_stock.sale_id = sale.sale_id AND sale_created_at = 0",
    find_orders: "
        SELECT ticket_id, order_id, sale_id, sale_created_at, buyer_id, units,
               one_per_buyer = 1 AND state <> 'released' AS is_live, release_acknowledged
        FROM orders
        WHERE ticket_id IN (SELECT value ->> 'ticket_id' FROM json_each($1))
        UNION
        SELECT ticket_id, order_id, sale_id, sale_created_at, buyer_id, units, 1, release_acknowledged
        FROM orders
        WHERE one_per_buyer = 1 AND state <> 'released' AND (sale_id, sale_created_at, buyer_id) IN (
            SELECT value ->> 'sale_id', value ->> 'sale_created_at', value ->> 'buyer_id' FROM json_each($1)
        )",
    insert_orders: timed(SQLITE_NOW, "
        INSERT INTO orders
            (ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
             payment_deadline, one_per_buyer, created_at)
        SELECT value ->> 'ticket_id', value ->> 'order_id', value ->> 'sale_id', value ->> 'sale_created_at',
               value ->> 'seq', value ->> 'buyer_id', value ->> 'units', value ->> 'attempt', value ->> 'state',
               {now} + (value ->> 'payment_timeout'), value ->> 'one_per_buyer', {now}
        FROM json_each($1)
        WHERE TRUE
        ORDER BY key
        ON CONFLICT DO NOTHING"),
    insert_movements: timed(SQLITE_NOW, "
        INSERT INTO stock_movements (sale_id, sale_created_at, kind, units, ticket_id, moved_at)
        SELECT value ->> 'sale_id', value ->> 'sale_created_at', value ->> 'kind', value ->> 'units',
               value ->> 'ticket_id', {now}
        FROM json_each($1)
        ORDER BY key"),
    change_remaining: "
        UPDATE activity_stock SET remaining = remaining + change.units
        FROM (SELECT value ->> 'sale_id' AS sale_id, value ->> 'sale_created_at' AS created_at,
                     value ->> 'units' AS units FROM json_each($1)) AS change
        WHERE activity_stock.sale_id = change.sale_id AND sale_created_at = change.created_at
          AND remaining + change.units >= 0",
    overdue_orders: timed(SQLITE_NOW, "
        SELECT ticket_id, sale_id, sale_created_at, units FROM orders
        WHERE state = 'awaiting_payment' AND payment_deadline <= {now}
        ORDER BY payment_deadline, sequence
        LIMIT $1"),
    mark_released: timed(SQLITE_NOW, "
        UPDATE orders SET state = 'released', released_at = {now}, acknowledge_at = {now}
        WHERE state = 'awaiting_payment' AND ticket_id IN (SELECT value FROM json_each($1))"),
    mark_acknowledged: "
        UPDATE orders SET release_acknowledged = 1
        WHERE state = 'released' AND ticket_id IN (SELECT value FROM json_each($1))",
    unacknowledged_releases: timed(SQLITE_NOW, "
        SELECT ticket_id, sale_id, sale_created_at FROM orders
        WHERE state = 'released' AND release_acknowledged = 0 AND acknowledge_at <= {now}
        ORDER BY acknowledge_at, sequence
        LIMIT $1"),
    postpone_acknowledgement: timed(SQLITE_NOW, "
        UPDATE orders
        SET acknowledge_at = {now} + MIN(MAX({now} - released_at, $2), $3)
        WHERE state = 'released' AND ticket_id IN (SELECT value FROM json_each($1))"),
    notify_again: timed(SQLITE_NOW, "
        UPDATE orders SET release_acknowledged = 0, acknowledge_at = {now} + $2
        WHERE state = 'released' AND ticket_id IN (SELECT value FROM json_each($1))"),
}
});

/// PostgreSQL: every transaction that changes stock locks the stock rows first, in one order. READ COMMITTED
/// is set explicitly, because what is read after the lock must be what was committed before it.
pub(super) static POSTGRES: LazyLock<Statements> = LazyLock::new(|| {
    Statements {
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    lock_stock: "
        SELECT sale_id, sale_created_at, remaining FROM activity_stock
        WHERE sale_id = ANY (ARRAY(SELECT json_array_elements($1::json) ->> 'sale_id'))
          AND (sale_created_at = ANY (ARRAY(SELECT (json_array_elements($1::json) ->> 'created_at')::BIGINT))
               OR sale_created_at = (SELECT MAX(sale_created_at) FROM activity_stock AS same
                                     WHERE same.sale_id = activity_stock.sale_id))
        ORDER BY sale_id, sale_created_at
        FOR UPDATE",
    bind_stock: "
        UPDATE activity_stock SET sale_created_at = sale.created_at
        FROM json_to_recordset($1::json) AS sale (sale_id TEXT, created_at BIGINT)
        WHERE activity_stock.sale_id = sale.sale_id AND sale_created_at = 0",
    find_orders: "
        SELECT ticket_id, order_id, sale_id, sale_created_at, buyer_id, units,
               CAST(one_per_buyer = 1 AND state <> 'released' AS INT)::BIGINT AS is_live, release_acknowledged
        FROM orders
        WHERE ticket_id = ANY (ARRAY(SELECT json_array_elements($1::json) ->> 'ticket_id'))
        UNION
        SELECT ticket_id, order_id, sale_id, sale_created_at, buyer_id, units, 1::BIGINT, release_acknowledged
        FROM orders JOIN json_to_recordset($1::json) AS key (sale_id TEXT, sale_created_at BIGINT, buyer_id TEXT)
            USING (sale_id, sale_created_at, buyer_id)
        WHERE one_per_buyer = 1 AND state <> 'released'",
    insert_orders: timed(POSTGRES_NOW, "
        INSERT INTO orders
            (ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
             payment_deadline, one_per_buyer, created_at)
        SELECT ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
               {now} + payment_timeout, one_per_buyer, {now}
        FROM ROWS FROM (json_to_recordset($1::json) AS (
            ticket_id TEXT, order_id TEXT, sale_id TEXT, sale_created_at BIGINT, seq BIGINT, buyer_id TEXT,
            units BIGINT, attempt BIGINT, state TEXT, payment_timeout BIGINT, one_per_buyer BIGINT
        )) WITH ORDINALITY AS entry (
            ticket_id, order_id, sale_id, sale_created_at, seq, buyer_id, units, attempt, state,
            payment_timeout, one_per_buyer, place
        )
        ORDER BY place
        ON CONFLICT DO NOTHING"),
    insert_movements: timed(POSTGRES_NOW, "
        INSERT INTO stock_movements (sale_id, sale_created_at, kind, units, ticket_id, moved_at)
        SELECT sale_id, sale_created_at, kind, units, ticket_id, {now}
        FROM ROWS FROM (json_to_recordset($1::json) AS (
            sale_id TEXT, sale_created_at BIGINT, kind TEXT, units BIGINT, ticket_id TEXT
        )) WITH ORDINALITY AS movement (sale_id, sale_created_at, kind, units, ticket_id, place)
        ORDER BY place"),
    change_remaining: "
        UPDATE activity_stock SET remaining = remaining + change.units
        FROM json_to_recordset($1::json) AS change (sale_id TEXT, sale_created_at BIGINT, units BIGINT)
        WHERE activity_stock.sale_id = change.sale_id
          AND activity_stock.sale_created_at = change.sale_created_at AND remaining + change.units >= 0",
    overdue_orders: timed(POSTGRES_NOW, "
        SELECT ticket_id, sale_id, sale_created_at, units FROM orders
        WHERE state = 'awaiting_payment' AND payment_deadline <= {now}
        ORDER BY payment_deadline, sequence
        LIMIT $1
        FOR UPDATE SKIP LOCKED"),
    mark_released: timed(POSTGRES_NOW, "
        UPDATE orders SET state = 'released', released_at = {now}, acknowledge_at = {now}
        WHERE state = 'awaiting_payment'
          AND ticket_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
    mark_acknowledged: "
        UPDATE orders SET release_acknowledged = 1
        WHERE state = 'released' AND ticket_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
    unacknowledged_releases: timed(POSTGRES_NOW, "
        SELECT ticket_id, sale_id, sale_created_at FROM orders
        WHERE state = 'released' AND release_acknowledged = 0 AND acknowledge_at <= {now}
        ORDER BY acknowledge_at, sequence
        LIMIT $1"),
    postpone_acknowledgement: timed(POSTGRES_NOW, "
        UPDATE orders
        SET acknowledge_at = {now} + LEAST(GREATEST({now} - released_at, $2), $3)
        WHERE state = 'released' AND ticket_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
    notify_again: timed(POSTGRES_NOW, "
        UPDATE orders SET release_acknowledged = 0, acknowledge_at = {now} + $2
        WHERE state = 'released' AND ticket_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
}
});
