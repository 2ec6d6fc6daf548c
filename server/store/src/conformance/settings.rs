//! Creating sales, changing them, listing them.

use std::time::Duration;

use inrush_core::{
    ledger::{Count, Ledger},
    sale::{MAX_UNITS, MAX_UNITS_PER_TICKET, Pace, Route, SaleId, SaleSettings, SaleSnapshot, SaleState},
    store::{ConfigureResult, Durability, Precondition},
    time::Timestamp,
};

use super::{
    case::cases,
    context::{Context, START, created_at},
    sale::{admit_request, ordered, rejected, retry},
};

cases! {
    a_new_sale_is_as_configured,
    all_settings_are_stored_exactly,
    a_change_replaces_all_settings,
    a_sale_is_created_once,
    a_change_requires_the_current_version,
    a_sale_that_does_not_exist_cannot_be_changed,
    a_closed_sale_cannot_be_changed,
    the_cap_cannot_go_below_the_units_held,
    the_cap_of_a_sale_without_stock_cannot_go_below_first_waits,
    the_stock_cannot_go_below_the_units_committed,
    a_change_is_checked_in_order,
    a_snapshot_has_the_time_it_was_read,
    sales_are_listed_in_the_order_of_their_ids,
    a_handle_with_its_own_connection_reads_the_same_sales,
    the_store_is_reachable,
}

async fn a_new_sale_is_as_configured(context: Context) {
    let settings = SaleSettings::of_stock(10);
    let id = context.id("phone");
    let reply = context.store.configure(&id, &settings, Precondition::Absent).await.unwrap();
    let ConfigureResult::Done(SaleSnapshot { epoch, .. }) = reply else { panic!("{reply:?}") };
    assert_eq!(created_at(epoch), START);
    let expected = SaleSnapshot {
        id: id.clone(),
        settings,
        epoch,
        version: 1,
        closed: false,
        rises: 0,
        restoring_until: None,
        created_at: START,
        read_at: START,
        last_seq: 0,
        cursor: 0,
        ledger: Ledger::default(),
        reconciled: Count::default(),
        measured_pace: 0,
    };
    assert_eq!(reply, ConfigureResult::Done(expected.clone()));
    assert_eq!(context.store.sale(&id).await.unwrap(), expected);
}

fn many_settings() -> Vec<SaleSettings> {
    let plain = SaleSettings::of_stock(1);
    vec![
        SaleSettings::of_stock(MAX_UNITS),
        SaleSettings { cap: Some(MAX_UNITS), unit_limit: MAX_UNITS_PER_TICKET, ..plain.clone() },
        SaleSettings::without_stock(1),
        SaleSettings {
            opens_at: Some(Timestamp(1)),
            closes_at: Some(Timestamp(253_402_300_799_999)),
            ..plain.clone()
        },
        SaleSettings {
            pace: Some(Pace { millitickets_per_second: 1_000_000_000, burst: 1_000_000 }),
            max_attempts: 100,
            lease: Duration::from_secs(3600),
            ..plain.clone()
        },
        SaleSettings {
            pace: Some(Pace { millitickets_per_second: 1, burst: 1 }),
            max_attempts: 1,
            ..plain.clone()
        },
        SaleSettings { route: Route::Bypass, lease: Duration::from_millis(100), ..plain.clone() },
        SaleSettings { admission_held: true, ..plain.clone() },
        SaleSettings { fulfilment_held: true, ..plain.clone() },
        SaleSettings { durability: Durability::Fsync, ..plain.clone() },
        SaleSettings { durability: Durability::Replicated, ..plain },
    ]
}

async fn all_settings_are_stored_exactly(context: Context) {
    for (number, settings) in many_settings().into_iter().enumerate() {
        let sale = context.sale(&format!("sale-{number}"), settings.clone()).await;
        assert_eq!(sale.snapshot().await.settings, settings);
    }
}

async fn a_change_replaces_all_settings(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let with_stock = many_settings().into_iter().filter(SaleSettings::has_stock);
    for (version, settings) in (1..).zip(with_stock) {
        context.advance(10);
        let reply = sale.configure(&settings, Precondition::Version(version)).await;
        let snapshot = sale.snapshot().await;
        assert_eq!(reply, ConfigureResult::Done(snapshot.clone()));
        assert_eq!((snapshot.settings, snapshot.version), (settings, version + 1));
        assert_eq!((created_at(snapshot.epoch), snapshot.created_at), (START, START));
    }
}

async fn a_sale_is_created_once(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let other = SaleSettings::of_stock(2);
    let before = sale.snapshot().await;
    assert_eq!(sale.configure(&other, Precondition::Absent).await, ConfigureResult::Conflict(Some(before)));
    sale.close().await;
    let closed = sale.snapshot().await;
    assert_eq!(
        sale.configure(&other, Precondition::Absent).await,
        ConfigureResult::Conflict(Some(closed.clone()))
    );
    assert_eq!(sale.snapshot().await, closed);
}

async fn a_change_requires_the_current_version(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let other = SaleSettings::of_stock(2);
    assert!(matches!(sale.configure(&other, Precondition::Version(1)).await, ConfigureResult::Done(_)));
    let before = sale.snapshot().await;
    for version in [0, 1, 3] {
        let reply = sale.configure(&SaleSettings::of_stock(3), Precondition::Version(version)).await;
        assert_eq!(reply, ConfigureResult::Conflict(Some(before.clone())));
    }
    assert_eq!(sale.snapshot().await, before);
}

async fn a_sale_that_does_not_exist_cannot_be_changed(context: Context) {
    let id = context.id("nowhere");
    let reply =
        context.store.configure(&id, &SaleSettings::of_stock(1), Precondition::Version(1)).await.unwrap();
    assert_eq!(reply, ConfigureResult::Conflict(None));
    assert_eq!(context.store.sale_ids(None, 10).await.unwrap(), []);
    assert_eq!(context.store.sales(None, 10).await.unwrap(), []);
}

async fn a_closed_sale_cannot_be_changed(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(1)).await;
    let closed = sale.close().await;
    for version in [1, 2] {
        let reply = sale.configure(&SaleSettings::of_stock(9), Precondition::Version(version)).await;
        assert_eq!(reply, ConfigureResult::Closed);
    }
    assert_eq!(sale.snapshot().await, closed);
}

async fn the_cap_cannot_go_below_the_units_held(context: Context) {
    let sale = context
        .sale("phone", SaleSettings { unit_limit: 10, max_attempts: 2, ..SaleSettings::of_stock(20) })
        .await;
    for (buyer, units) in [("ann", 1), ("bob", 2), ("cleo", 3), ("dan", 4), ("eve", 5)] {
        sale.enqueue_units(buyer, units).await;
    }
    sale.work_one(ordered("o-1")).await;
    sale.work_one(retry(0, "busy")).await;
    sale.claim(2).await;
    sale.cancel(&[5]).await;
    // Ordered 1, in flight 2 and 3, waiting 4.
    for (cap, held) in [(9, Some(10)), (10, None), (11, None)] {
        let reply = sale.change(|settings| settings.cap = Some(cap)).await;
        match held {
            Some(held) => assert_eq!(reply, ConfigureResult::CapBelowHeld { held }),
            None => assert!(matches!(reply, ConfigureResult::Done(_)), "{reply:?}"),
        }
    }
    let reply = sale.change(|settings| (settings.cap, settings.stock) = (None, Some(9))).await;
    assert_eq!(reply, ConfigureResult::CapBelowHeld { held: 10 });
}

async fn the_cap_of_a_sale_without_stock_cannot_go_below_first_waits(context: Context) {
    let sale = context.sale("lunch", SaleSettings::without_stock(3)).await;
    sale.fill(3).await;
    sale.work_one(retry(60_000, "busy")).await;
    sale.work_one(ordered("o-2")).await;
    // One waits for its first claim, one to be retried.
    assert!(matches!(sale.change(|settings| settings.cap = Some(1)).await, ConfigureResult::Done(_)));
    assert_eq!(sale.snapshot().await.free_units(), 0);
    sale.change(|settings| settings.cap = Some(5)).await;
    assert_eq!(sale.snapshot().await.free_units(), 3);
    sale.fill(3).await;
    assert_eq!(
        sale.change(|settings| settings.cap = Some(3)).await,
        ConfigureResult::CapBelowHeld { held: 4 }
    );
}

async fn the_stock_cannot_go_below_the_units_committed(context: Context) {
    let settings = SaleSettings { cap: Some(10), max_attempts: 2, ..SaleSettings::of_stock(5) };
    let sale = context.sale("phone", settings).await;
    sale.fill(8).await;
    sale.work_one(ordered("o-1")).await;
    sale.work_one(retry(60_000, "busy")).await;
    sale.work_one(rejected("no")).await;
    sale.claim(1).await;
    // Ordered 1, retrying 2, in flight 4.
    for (stock, committed) in [(2, Some(3)), (3, None), (7, None)] {
        let reply = sale.change(|settings| settings.stock = Some(stock)).await;
        match committed {
            Some(committed) => assert_eq!(reply, ConfigureResult::StockBelowCommitted { committed }),
            None => assert!(matches!(reply, ConfigureResult::Done(_)), "{reply:?}"),
        }
    }
}

async fn a_change_is_checked_in_order(context: Context) {
    let sale = context.sale("phone", SaleSettings { cap: Some(10), ..SaleSettings::of_stock(10) }).await;
    sale.fill(5).await;
    sale.claim(4).await;
    let too_small = SaleSettings { cap: Some(2), ..SaleSettings::of_stock(2) };
    let small_stock = SaleSettings { cap: Some(5), ..SaleSettings::of_stock(2) };
    let before = sale.snapshot().await;
    assert_eq!(
        sale.configure(&too_small, Precondition::Version(7)).await,
        ConfigureResult::Conflict(Some(before))
    );
    assert_eq!(
        sale.configure(&too_small, Precondition::Version(1)).await,
        ConfigureResult::CapBelowHeld { held: 5 }
    );
    assert_eq!(
        sale.configure(&small_stock, Precondition::Version(1)).await,
        ConfigureResult::StockBelowCommitted { committed: 4 }
    );
    sale.close().await;
    assert_eq!(sale.configure(&too_small, Precondition::Version(7)).await, ConfigureResult::Closed);
}

async fn a_snapshot_has_the_time_it_was_read(context: Context) {
    let (opens_at, closes_at) = (Some(Timestamp(START.0 + 10)), Some(Timestamp(START.0 + 20)));
    let sale = context.sale("phone", SaleSettings { opens_at, closes_at, ..SaleSettings::of_stock(1) }).await;
    for (after, state) in [
        (0, SaleState::Scheduled),
        (9, SaleState::Scheduled),
        (10, SaleState::Open),
        (19, SaleState::Open),
        (20, SaleState::Ended),
    ] {
        context.advance(START.0 + after - context.now().0);
        let snapshot = sale.snapshot().await;
        assert_eq!((snapshot.read_at, snapshot.state()), (Timestamp(START.0 + after), state));
    }
    sale.change(|settings| (settings.opens_at, settings.closes_at) = (None, None)).await;
    sale.change(|settings| settings.admission_held = true).await;
    assert_eq!(sale.state().await, SaleState::Held);
    sale.change(|settings| settings.admission_held = false).await;
    sale.admit_one(admit_request("ann", 1)).await;
    assert_eq!(sale.state().await, SaleState::SoldOut);
    sale.close().await;
    assert_eq!(sale.state().await, SaleState::Closed);
}

async fn sales_are_listed_in_the_order_of_their_ids(context: Context) {
    assert_eq!(context.store.sale_ids(None, 10).await.unwrap(), []);
    for name in ["b", "a-b", "0", "a", "ab", "z9"] {
        context.sale(name, SaleSettings::of_stock(1)).await;
    }
    let mut all: Vec<SaleId> = ["0", "a", "a-b", "ab", "b", "z9"].map(|name| context.id(name)).to_vec();
    all.sort();
    let before_all: SaleId = "0".parse().unwrap();
    let between: SaleId = "a-c".parse().unwrap();
    let from_between = all.iter().position(|id| *id > between).unwrap();
    for (after, limit, expected) in [
        (None, 10, &all[..]),
        (None, 6, &all[..]),
        (None, 2, &all[..2]),
        (None, 0, &all[..0]),
        (Some(&all[1]), 2, &all[2..4]),
        (Some(&all[4]), 10, &all[5..]),
        (Some(&all[5]), 10, &[]),
        (Some(&before_all), 10, &all[..]),
        (Some(&between), 10, &all[from_between..]),
    ] {
        assert_eq!(context.store.sale_ids(after, limit).await.unwrap(), expected, "{after:?} {limit}");
        let sales = context.store.sales(after, limit).await.unwrap();
        assert_eq!(sales.into_iter().map(|sale| sale.id).collect::<Vec<_>>(), expected, "{after:?} {limit}");
    }
    for sale in context.store.sales(None, 10).await.unwrap() {
        assert_eq!(context.store.sale(&sale.id).await.unwrap(), sale);
    }
}

async fn a_handle_with_its_own_connection_reads_the_same_sales(context: Context) {
    let sale = context.sale("phone", SaleSettings::of_stock(3)).await;
    let other = context.store.with_own_connection().await.unwrap();
    other.admit(&sale.id, &[admit_request("ann", 1)]).await.unwrap();
    assert_eq!(other.sale(&sale.id).await.unwrap(), sale.snapshot().await);
    assert_eq!(sale.snapshot().await.last_seq, 1);
}

async fn the_store_is_reachable(context: Context) {
    context.store.check().await.unwrap();
    assert_eq!(context.store.supports_durability(Durability::Memory).await, Ok(true));
    assert_eq!(context.store.supports_durability(Durability::Fsync).await, Ok(false));
    assert_eq!(context.store.supports_durability(Durability::Replicated).await, Ok(false));
}
