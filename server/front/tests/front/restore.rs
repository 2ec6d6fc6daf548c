//! A store that has lost tickets: what their holders and other buyers get.

use std::time::Duration;

use inrush_core::{SaleSettings, Timestamp, store::prelude::*};
use inrush_proto::v1::{self, TicketState, enqueue_response::Outcome};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Front, enqueue_request, id, reason};

async fn restore(front: &Front, sale: &str, buyer: &str, ticket: &str) -> Result<Outcome, Status> {
    let request =
        v1::EnqueueRequest { previous_ticket: ticket.to_owned(), ..enqueue_request(sale, buyer, 1) };
    Ok(front.queue().enqueue(request).await?.into_inner().outcome.unwrap())
}

/// A front whose store has lost the tickets of ann and bob, which were the second and the third.
async fn with_lost_tickets() -> (Front, [String; 2]) {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    front.queued("phone-x", "first").await;
    let checkpoint = front.store.checkpoint();
    let lost = [front.queued("phone-x", "ann").await.ticket, front.queued("phone-x", "bob").await.ticket];
    front.store.forget_since(&checkpoint);
    (front, lost)
}

#[tokio::test]
async fn a_lost_ticket_is_restored_with_the_same_ticket_in_its_old_place() {
    let (front, [ann, bob]) = with_lost_tickets().await;
    assert_eq!(front.poll(&ann).await.unwrap().state(), TicketState::Lost);
    for (buyer, ticket, position) in [("bob", &bob, 2), ("ann", &ann, 2), ("bob", &bob, 3)] {
        let Outcome::Queued(queued) = restore(&front, "phone-x", buyer, ticket).await.unwrap() else {
            panic!("{buyer} is not restored");
        };
        let status = queued.status.unwrap();
        assert_eq!((&queued.ticket, queued.repeated), (ticket, true), "{buyer}");
        assert_eq!((status.state(), status.position), (TicketState::Waiting, position), "{buyer}");
    }
}

#[tokio::test]
async fn other_buyers_are_asked_to_wait_while_tickets_are_restored() {
    let (front, [ann, _]) = with_lost_tickets().await;
    // The second refusal is from the gate, which must not keep ann out.
    for _ in 0..2 {
        let refused = front.queue().enqueue(enqueue_request("phone-x", "new", 1)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "RESTORING"));
        let delay = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
        let until = front.store.sale(&id("phone-x")).await.unwrap().restoring_until.unwrap();
        assert!(delay + Duration::from_millis(1) >= Timestamp::now().until(until), "{delay:?}");
        assert!(refused.message().contains("previous_ticket"), "{}", refused.message());
    }
    assert!(matches!(restore(&front, "phone-x", "ann", &ann).await.unwrap(), Outcome::Queued(_)));
}

#[tokio::test]
async fn only_a_ticket_of_this_buyer_in_this_sale_is_restored() {
    let (front, [ann, _]) = with_lost_tickets().await;
    front.create("hats", SaleSettings::of_stock(10)).await;
    for (sale, buyer) in [("phone-x", "bob"), ("hats", "ann")] {
        let refused = restore(&front, sale, buyer, &ann).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "previous_ticket");
    }
    let forged = restore(&front, "phone-x", "ann", &ann[1..]).await.unwrap_err();
    assert_eq!(reason(&forged), "INVALID_TICKET");
    assert_eq!(front.poll(&ann).await.unwrap().state(), TicketState::Lost);
}

#[tokio::test]
async fn a_ticket_that_is_not_lost_restores_nothing() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ann = front.queued("phone-x", "ann").await.ticket;
    let Outcome::Queued(queued) = restore(&front, "phone-x", "ann", &ann).await.unwrap() else {
        panic!("ann is in the queue");
    };
    assert_eq!((queued.ticket, queued.repeated), (ann, true));
    assert_eq!(front.store.sale(&id("phone-x")).await.unwrap().ledger.admitted.tickets, 1);
}
