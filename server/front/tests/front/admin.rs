//! SaleAdminService.

use std::time::Duration;

use inrush_core::store::prelude::*;
use inrush_core::{SaleSettings, store::Outcome};
use inrush_proto::v1::{self, Route, Sale, SalePart, SaleState};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{Front, id, reason, violations};

fn message(sale_id: &str, stock: u64) -> Sale {
    Sale { sale_id: sale_id.to_owned(), stock: Some(stock), ..Sale::default() }
}

async fn create(front: &Front, sale: Sale) -> Result<Sale, Status> {
    let request = v1::CreateSaleRequest { sale: Some(sale) };
    Ok(front.admin().create_sale(request).await?.into_inner().sale.unwrap())
}

async fn update(front: &Front, sale: Sale, paths: &[&str]) -> Result<Sale, Status> {
    let update_mask = Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
    let request = v1::UpdateSaleRequest { sale: Some(sale), update_mask };
    Ok(front.admin().update_sale(request).await?.into_inner().sale.unwrap())
}

async fn get(front: &Front, sale_id: &str) -> Result<Sale, Status> {
    let request = v1::GetSaleRequest { sale_id: sale_id.to_owned() };
    Ok(front.admin().get_sale(request).await?.into_inner().sale.unwrap())
}

async fn close(front: &Front, sale_id: &str) -> Sale {
    let request = v1::CloseSaleRequest { sale_id: sale_id.to_owned() };
    front.admin().close_sale(request).await.unwrap().into_inner().sale.unwrap()
}

async fn delete(front: &Front, sale_id: &str) -> Result<(), Status> {
    let request = v1::DeleteSaleRequest { sale_id: sale_id.to_owned() };
    front.admin().delete_sale(request).await.map(|_| ())
}

#[tokio::test]
async fn create_sale_is_idempotent() {
    let front = Front::start().await;
    let sale = create(&front, message("phone-x", 10)).await.unwrap();
    assert_eq!((sale.state(), sale.version, sale.unit_limit, sale.max_attempts), (SaleState::Open, 1, 1, 5));
    assert_eq!((sale.stock, sale.cap, sale.route()), (Some(10), None, Route::Queue));
    assert_eq!(sale.lease_duration.unwrap().seconds, 30);
    assert_eq!(sale.ledger.as_ref().unwrap().free_units, 10);
    assert!(sale.epoch > 0 && sale.create_time.is_some());
    // Output-only fields are ignored.
    let again = Sale { version: 77, epoch: 1, ..message("phone-x", 10) };
    assert_eq!(create(&front, again).await.unwrap().epoch, sale.epoch);
    let status = create(&front, message("phone-x", 11)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "SALE_EXISTS"));
    assert_eq!(get(&front, "phone-x").await.unwrap().stock, Some(10));
}

#[tokio::test]
async fn create_sale_on_a_closed_sale_reports_that_it_is_closed_and_what_to_do() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    close(&front, "phone-x").await;
    for stock in [10, 11] {
        let status = create(&front, message("phone-x", stock)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "SALE_CLOSED"));
        assert!(status.message().contains("delete it to create it again"), "{}", status.message());
    }
    delete(&front, "phone-x").await.unwrap();
    assert_eq!(create(&front, message("phone-x", 11)).await.unwrap().state(), SaleState::Open);
}

#[tokio::test]
async fn create_sale_whose_reply_from_the_store_is_unreadable_still_answers_with_the_sale() {
    let front = Front::start().await;
    front.store.tear_next_configuration();
    let sale = create(&front, message("phone-x", 10)).await.unwrap();
    assert_eq!((sale.state(), sale.version, sale.stock), (SaleState::Open, 1, Some(10)));
    front.store.tear_next_configuration();
    let status = create(&front, message("phone-x", 11)).await.unwrap_err();
    assert_eq!(reason(&status), "SALE_EXISTS");
}

#[tokio::test]
async fn create_sale_names_the_invalid_setting_and_its_rule() {
    let front = Front::start().await;
    let status = front.admin().create_sale(v1::CreateSaleRequest { sale: None }).await.unwrap_err();
    assert_eq!(violations(&status)[0].0, "sale");
    let good = || message("phone-x", 10);
    let cases = [
        (Sale { sale_id: "Phone".to_owned(), ..good() }, "sale_id"),
        (Sale { stock: None, ..good() }, "cap"),
        (Sale { stock: Some(u64::MAX), ..good() }, "stock"),
        (Sale { unit_limit: u64::MAX, ..good() }, "unit_limit"),
        (Sale { max_attempts: 101, ..good() }, "max_attempts"),
        (Sale { route: 9, ..good() }, "route"),
    ];
    for (sale, field) in cases {
        let status = create(&front, sale).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(violations(&status)[0].0, field);
    }
    assert_eq!(front.store.all_runs(), 0);
}

#[tokio::test]
async fn durability_is_accepted_only_if_the_store_supports_it() {
    let front = Front::start().await;
    let fsync = Sale { durability: v1::Durability::Fsync.into(), ..message("phone-x", 10) };
    let status = create(&front, fsync.clone()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "DURABILITY_UNAVAILABLE")
    );
    assert!(status.message().contains("appendfsync always"), "{}", status.message());
    create(&front, message("tablet-y", 10)).await.unwrap();
    let change = Sale { sale_id: "tablet-y".to_owned(), ..fsync.clone() };
    assert_eq!(reason(&update(&front, change, &["durability"]).await.unwrap_err()), "DURABILITY_UNAVAILABLE");
    let replicated = Sale { durability: v1::Durability::Replicated.into(), ..message("phone-x", 10) };
    let status = create(&front, replicated).await.unwrap_err();
    assert_eq!(reason(&status), "DURABILITY_UNAVAILABLE");
    assert!(status.message().contains("replica"), "{}", status.message());
    front.store.set_writes_to_disk();
    assert_eq!(create(&front, fsync).await.unwrap().durability(), v1::Durability::Fsync);
}

#[tokio::test]
async fn update_sale_changes_only_the_fields_in_the_mask() {
    let front = Front::start().await;
    create(&front, Sale { unit_limit: 4, cap: Some(20), ..message("phone-x", 10) }).await.unwrap();
    let pace = v1::Pace { tickets_per_second: 50.0, burst: 0 };
    let given = Sale {
        route: Route::Bypass.into(),
        unit_limit: 9,
        max_attempts: 3,
        pace: Some(pace),
        ..message("phone-x", 10)
    };
    let sale = update(&front, given, &["route", "pace", "cap"]).await.unwrap();
    assert_eq!((sale.route(), sale.unit_limit, sale.max_attempts, sale.cap), (Route::Bypass, 4, 5, None));
    assert_eq!(sale.pace.unwrap().burst, 5, "a tenth of a second's worth");
    assert_eq!(sale.version, 2);
    let unchanged =
        update(&front, Sale { unit_limit: 4, ..message("phone-x", 10) }, &["unit_limit"]).await.unwrap();
    assert_eq!(unchanged.version, 2, "what changes nothing writes nothing");
    assert_eq!(get(&front, "phone-x").await.unwrap(), unchanged);
}

#[tokio::test]
async fn an_invalid_mask_is_refused_with_the_valid_paths() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    for paths in [&[][..], &["prize"], &["stock", "epoch"], &["sale_id"], &["pace.burst"], &["*"]] {
        let status = update(&front, message("phone-x", 11), paths).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{paths:?}");
        let (field, rule) = violations(&status).remove(0);
        assert_eq!(field, "update_mask");
        assert!(rule.contains("stock, cap, open_time, close_time"), "{rule}");
    }
    assert_eq!(get(&front, "phone-x").await.unwrap().stock, Some(10));
}

#[tokio::test]
async fn update_sale_with_a_stale_version_is_a_conflict() {
    let front = Front::start().await;
    let seen = create(&front, message("phone-x", 10)).await.unwrap();
    update(&front, message("phone-x", 11), &["stock"]).await.unwrap();
    let late = Sale { stock: Some(12), ..seen };
    let status = update(&front, late, &["stock"]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "VERSION_CONFLICT"));
    let fresh = get(&front, "phone-x").await.unwrap();
    assert_eq!(fresh.stock, Some(11));
    assert_eq!(update(&front, Sale { stock: Some(12), ..fresh }, &["stock"]).await.unwrap().stock, Some(12));
}

#[tokio::test]
async fn concurrent_updates_all_take_effect() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    let given = Sale { unit_limit: 2, max_attempts: 7, admission_held: true, ..message("phone-x", 10) };
    let updates = ["unit_limit", "max_attempts", "admission_held"].map(|path| {
        let (front, given) = (&front, given.clone());
        async move { update(front, given, &[path]).await.unwrap() }
    });
    futures_util::future::join_all(updates).await;
    let sale = get(&front, "phone-x").await.unwrap();
    assert_eq!((sale.unit_limit, sale.max_attempts, sale.admission_held), (2, 7, true));
}

#[tokio::test]
async fn cap_and_stock_cannot_go_below_what_is_in_use() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    for buyer in ["ada", "bob", "carl"] {
        front.queued("phone-x", buyer).await;
    }
    let lower_cap = Sale { cap: Some(2), ..message("phone-x", 10) };
    let status = update(&front, lower_cap, &["cap"]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "CAP_BELOW_HELD"));
    assert!(status.message().contains("3 units"), "{}", status.message());
    front.claim("phone-x", 2).await;
    let lower_stock = Sale { cap: Some(10), ..message("phone-x", 1) };
    let status = update(&front, lower_stock, &["stock", "cap"]).await.unwrap_err();
    assert_eq!(reason(&status), "STOCK_BELOW_COMMITTED");
    let without = Sale { stock: None, cap: Some(10), ..message("phone-x", 1) };
    assert_eq!(reason(&update(&front, without, &["stock", "cap"]).await.unwrap_err()), "STOCK_FIXED");
}

#[tokio::test]
async fn hold_sale_and_resume_sale_set_the_part() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    let sale_id = || "phone-x".to_owned();
    for part in [SalePart::Admission, SalePart::Fulfilment] {
        let request = v1::HoldSaleRequest { sale_id: sale_id(), part: part.into() };
        let held = front.admin().hold_sale(request).await.unwrap().into_inner().sale.unwrap();
        let request = v1::ResumeSaleRequest { sale_id: sale_id(), part: part.into() };
        let resumed = front.admin().resume_sale(request).await.unwrap().into_inner().sale.unwrap();
        let is_admission = part == SalePart::Admission;
        assert_eq!((held.admission_held, held.fulfilment_held), (is_admission, !is_admission));
        assert_eq!((resumed.admission_held, resumed.fulfilment_held), (false, false));
    }
    for part in [0, 3] {
        let status =
            front.admin().hold_sale(v1::HoldSaleRequest { sale_id: sale_id(), part }).await.unwrap_err();
        assert_eq!(violations(&status)[0].0, "part");
    }
}

#[tokio::test]
async fn a_hold_takes_effect_immediately_on_this_node() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    let request = v1::HoldSaleRequest { sale_id: "phone-x".to_owned(), part: SalePart::Admission.into() };
    front.admin().hold_sale(request).await.unwrap();
    assert_eq!(front.refused("phone-x", "ada").await, v1::RefusalReason::Held);
    let request = v1::ResumeSaleRequest { sale_id: "phone-x".to_owned(), part: SalePart::Admission.into() };
    front.admin().resume_sale(request).await.unwrap();
    front.queued("phone-x", "ada").await;
}

#[tokio::test]
async fn a_sale_is_deleted_only_after_it_is_closed() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    let waits = front.queued("phone-x", "ada").await.ticket;
    assert_eq!(reason(&delete(&front, "phone-x").await.unwrap_err()), "SALE_NOT_CLOSED");
    for _ in 0..2 {
        assert_eq!(close(&front, "phone-x").await.state(), SaleState::Closed);
    }
    assert_eq!(front.poll(&waits).await.unwrap().state(), v1::TicketState::Expired);
    assert_eq!(front.refused("phone-x", "bob").await, v1::RefusalReason::Closed);
    let status = update(&front, message("phone-x", 11), &["stock"]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "SALE_CLOSED"));
    for _ in 0..2 {
        delete(&front, "phone-x").await.unwrap();
    }
    assert_eq!(reason(&get(&front, "phone-x").await.unwrap_err()), "SALE_NOT_FOUND");
}

#[tokio::test]
async fn a_sale_with_entries_in_flight_cannot_be_deleted() {
    let front = Front::start().await;
    create(&front, message("phone-x", 10)).await.unwrap();
    front.queued("phone-x", "ada").await;
    front.claim("phone-x", 1).await;
    close(&front, "phone-x").await;
    let status = delete(&front, "phone-x").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "SALE_BUSY"));
    assert!(status.message().starts_with("1 tickets"), "{}", status.message());
}

#[tokio::test]
async fn list_sales_is_paged() {
    let front = Front::start().await;
    let ids: Vec<String> = (0..7).map(|number| format!("sale-{number}")).collect();
    for sale in ids.iter().rev() {
        create(&front, message(sale, 1)).await.unwrap();
    }
    let (mut seen, mut pages, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = v1::ListSalesRequest { page_size: 3, page_token };
        let page = front.admin().list_sales(request).await.unwrap().into_inner();
        seen.extend(page.sales.into_iter().map(|sale| sale.sale_id));
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!((seen, pages), (ids, 3));
    let all = front.admin().list_sales(v1::ListSalesRequest::default()).await.unwrap().into_inner();
    assert_eq!((all.sales.len(), all.next_page_token.as_str()), (7, ""));
    let status = front
        .admin()
        .list_sales(v1::ListSalesRequest { page_size: 501, page_token: String::new() })
        .await
        .unwrap_err();
    assert_eq!(violations(&status)[0].0, "page_size");
    let status = front
        .admin()
        .list_sales(v1::ListSalesRequest { page_size: 1, page_token: "Not a token".to_owned() })
        .await
        .unwrap_err();
    assert_eq!(violations(&status)[0].0, "page_token");
}

#[tokio::test]
async fn dead_letters_are_listed_redriven_and_discarded() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(5) }).await;
    for buyer in ["ada", "bob", "carl"] {
        front.queued("phone-x", buyer).await;
    }
    let claim = front.claim("phone-x", 3).await;
    let retry = Outcome::Retry { after: Duration::ZERO, reason: "no answer".to_owned() };
    front.settle("phone-x", &claim, retry).await;

    let list = async |page_token: String| {
        let request = v1::ListDeadLettersRequest { sale_id: "phone-x".to_owned(), page_size: 2, page_token };
        front.admin().list_dead_letters(request).await.unwrap().into_inner()
    };
    let first = list(String::new()).await;
    let second = list(first.next_page_token.clone()).await;
    assert_eq!((first.dead_letters.len(), second.dead_letters.len()), (2, 1));
    assert_eq!(second.next_page_token, "");
    let ada = &first.dead_letters[0];
    assert_eq!((ada.seq, ada.buyer_id.as_str(), ada.units, ada.attempts), (1, "ada", 1, 1));
    assert_eq!((ada.reason.as_str(), ada.ticket_id.starts_with("phone-x/")), ("no answer", true));

    let request = v1::RedriveDeadLettersRequest { sale_id: "phone-x".to_owned(), seqs: vec![1, 2, 9] };
    let redriven = front.admin().redrive_dead_letters(request).await.unwrap().into_inner().seqs;
    assert_eq!(redriven, [1, 2]);
    let request = v1::DiscardDeadLettersRequest { sale_id: "phone-x".to_owned(), seqs: vec![1, 3] };
    let discarded = front.admin().discard_dead_letters(request).await.unwrap().into_inner().seqs;
    assert_eq!(discarded, [3]);
    assert!(list(String::new()).await.dead_letters.is_empty());
    let ledger = front.store.sale(&id("phone-x")).await.unwrap().ledger;
    assert_eq!((ledger.waiting.tickets, ledger.rejected.tickets, ledger.dead.tickets), (2, 1, 0));

    for seqs in [vec![], vec![0], vec![1; 257], vec![u64::MAX]] {
        let request = v1::RedriveDeadLettersRequest { sale_id: "phone-x".to_owned(), seqs };
        let status = front.admin().redrive_dead_letters(request).await.unwrap_err();
        assert_eq!(violations(&status)[0].0, "seqs");
    }
}

#[tokio::test]
async fn every_admin_call_on_an_unknown_sale_is_not_found() {
    let front = Front::start().await;
    let mut statuses = vec![
        get(&front, "nothing").await.unwrap_err(),
        update(&front, message("nothing", 1), &["stock"]).await.unwrap_err(),
    ];
    let sale_id = || "nothing".to_owned();
    let part = SalePart::Admission.into();
    let mut admin = front.admin();
    statuses.push(admin.hold_sale(v1::HoldSaleRequest { sale_id: sale_id(), part }).await.unwrap_err());
    statuses.push(admin.resume_sale(v1::ResumeSaleRequest { sale_id: sale_id(), part }).await.unwrap_err());
    statuses.push(admin.close_sale(v1::CloseSaleRequest { sale_id: sale_id() }).await.unwrap_err());
    let request = v1::ListDeadLettersRequest { sale_id: sale_id(), ..Default::default() };
    statuses.push(admin.list_dead_letters(request).await.unwrap_err());
    for status in statuses {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SALE_NOT_FOUND"));
    }
    // Deleting a deleted sale.
    delete(&front, "nothing").await.unwrap();
}
