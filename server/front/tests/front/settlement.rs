//! ReleaseOrder.

use inrush_core::store::prelude::*;
use inrush_core::{SaleSettings, store::Outcome};
use inrush_proto::v1::{self, RefusalReason, TicketState};
use tonic::{Code, Status};

use crate::harness::{Front, id, reason};

async fn release(front: &Front, ticket_id: String) -> Result<v1::ReleaseOrderResponse, Status> {
    Ok(front.settlement().release_order(v1::ReleaseOrderRequest { ticket_id }).await?.into_inner())
}

#[tokio::test]
async fn release_order_returns_the_units_once() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let ticket_id = front.read(&ada).to_string();

    let status = release(&front, ticket_id.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOT_ORDERED"));
    assert!(status.message().contains("waiting"), "{}", status.message());

    let claim = front.claim("phone-x", 1).await;
    front.settle("phone-x", &claim, Outcome::Ordered { order_id: "order 7".to_owned() }).await;
    assert_eq!(front.refused("phone-x", "bob").await, RefusalReason::SoldOut);
    for repeated in [false, true] {
        let response = release(&front, ticket_id.clone()).await.unwrap();
        assert_eq!(response.repeated, repeated);
        let status = response.status.unwrap();
        assert_eq!((status.state(), status.order_id.as_str()), (TicketState::Released, "order 7"));
    }
    front.queued("phone-x", "bob").await;
    assert_eq!(front.refused("phone-x", "carl").await, RefusalReason::SoldOut);
}

#[tokio::test]
async fn release_order_of_a_ticket_that_holds_no_units_changes_nothing() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(3)).await;
    let mut tickets = Vec::new();
    for buyer in ["ada", "bob", "carl"] {
        tickets.push(front.queued("phone-x", buyer).await.ticket);
    }
    let claim = front.claim("phone-x", 1).await;
    front.settle("phone-x", &claim, Outcome::Rejected { reason: "no".to_owned() }).await;
    front.cancel(&tickets[1]).await.unwrap();
    front.store.close(&id("phone-x")).await.unwrap();
    let before = front.store.sale(&id("phone-x")).await.unwrap().ledger;
    for (ticket, state) in
        tickets.iter().zip([TicketState::Rejected, TicketState::Cancelled, TicketState::Expired])
    {
        let response = release(&front, front.read(ticket).to_string()).await.unwrap();
        assert_eq!((response.repeated, response.status.unwrap().state()), (true, state));
    }
    assert_eq!(front.store.sale(&id("phone-x")).await.unwrap().ledger, before);
}

#[tokio::test]
async fn release_order_of_an_unknown_ticket_is_not_found() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    let mut ticket = front.read(&front.queued("phone-x", "ada").await.ticket);
    let expect = async |ticket_id, expected: &str| {
        let status = release(&front, ticket_id).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, expected));
    };
    expect("nothing/1/1".to_owned(), "SALE_NOT_FOUND").await;
    expect(format!("phone-x/{}/2", ticket.epoch), "TICKET_UNKNOWN").await;
    ticket.epoch -= 1;
    expect(ticket.to_string(), "TICKET_UNKNOWN").await;
}
