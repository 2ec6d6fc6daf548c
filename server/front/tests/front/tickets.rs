//! Tickets presented to PollStatus, BatchPollStatus and Cancel.

use inrush_core::store::prelude::*;
use inrush_core::{Keyring, SaleSettings, store::Outcome};
use inrush_proto::v1::{self, TicketState, batch_poll_status_result::Result as Of};
use tonic::Code;

use crate::harness::{Front, id, reason, sign};

#[tokio::test]
async fn poll_status_follows_a_ticket_to_its_order() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let tickets = [front.queued("phone-x", "ada").await.ticket, front.queued("phone-x", "bob").await.ticket];
    assert_eq!(front.poll(&tickets[1]).await.unwrap().position, 2);

    let claim = front.claim("phone-x", 1).await;
    let ada = front.poll(&tickets[0]).await.unwrap();
    assert_eq!((ada.state(), ada.position), (TicketState::Processing, 0));
    assert!(ada.poll_after.is_some());
    assert_eq!(front.poll(&tickets[1]).await.unwrap().position, 1);

    let retry = Outcome::Retry { after: std::time::Duration::ZERO, reason: "busy".to_owned() };
    front.settle("phone-x", &claim, retry).await;
    let ada = front.poll(&tickets[0]).await.unwrap();
    assert_eq!((ada.state(), ada.position), (TicketState::Waiting, 1), "a retried ticket is next");

    let claim = front.claim("phone-x", 2).await;
    front.settle("phone-x", &claim, Outcome::Rejected { reason: "card refused".to_owned() }).await;
    let bob = front.poll(&tickets[1]).await.unwrap();
    assert_eq!(
        (bob.state(), bob.reason.as_str(), bob.poll_after),
        (TicketState::Rejected, "card refused", None)
    );
}

#[tokio::test]
async fn a_forged_ticket_does_not_reach_the_store() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let good = front.queued("phone-x", "ada").await.ticket;
    let foreign = sign(&Keyring::ephemeral().unwrap(), &front.read(&good));
    let mut flipped = good.clone().into_bytes();
    flipped[7] = if flipped[7] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let before = front.store.all_runs();
    for forged in ["", "x", "%%%", &good[1..], &foreign, &flipped, &"A".repeat(100_000), "phone-x/1/1"] {
        let polled = front.poll(forged).await.unwrap_err();
        let cancelled = front.cancel(forged).await.unwrap_err();
        let request = v1::WatchStatusRequest { ticket: forged.to_owned() };
        let watched = front.queue().watch_status(request).await.unwrap_err();
        for status in [polled, cancelled, watched] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_TICKET"));
        }
    }
    assert_eq!(front.store.all_runs(), before);
}

#[tokio::test]
async fn a_ticket_of_another_epoch_is_unknown_and_cancels_nothing() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let old = front.queued("phone-x", "ada").await.ticket;
    front.store.close(&id("phone-x")).await.unwrap();
    front.store.delete(&id("phone-x")).await.unwrap();
    let status = front.poll(&old).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SALE_NOT_FOUND"));

    // A new sale of the same name has another epoch.
    let created = inrush_core::Timestamp::now();
    crate::harness::eventually("a new epoch", async || inrush_core::Timestamp::now() > created).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let new = front.queued("phone-x", "bob").await.ticket;
    assert_eq!(front.read(&new).seq, front.read(&old).seq);
    for status in [front.poll(&old).await.unwrap_err(), front.cancel(&old).await.unwrap_err()] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "TICKET_UNKNOWN"));
        assert!(status.message().contains("enqueue again"), "{}", status.message());
    }
    assert_eq!(front.poll(&new).await.unwrap().state(), TicketState::Waiting);
}

#[tokio::test]
async fn a_ticket_that_the_store_does_not_have_is_lost() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let mut ticket = front.read(&front.queued("phone-x", "ada").await.ticket);
    ticket.seq = 2;
    let ticket = front.sign(&ticket);
    assert_eq!(front.poll(&ticket).await.unwrap().state(), TicketState::Lost);
    let cancelled = front.cancel(&ticket).await.unwrap();
    assert_eq!((cancelled.cancelled, cancelled.status.unwrap().state()), (false, TicketState::Lost));
    assert_eq!(front.store.sale(&id("phone-x")).await.unwrap().rises, 1);
}

#[tokio::test]
async fn cancel_frees_the_units_once_and_reports_when_it_is_too_late() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let bob = front.queued("phone-x", "bob").await.ticket;
    for _ in 0..2 {
        let response = front.cancel(&ada).await.unwrap();
        assert!(response.cancelled, "also when repeated");
        assert_eq!(response.status.unwrap().state(), TicketState::Cancelled);
    }
    assert_eq!(front.poll(&bob).await.unwrap().position, 1);
    front.claim("phone-x", 1).await;
    let response = front.cancel(&bob).await.unwrap();
    assert!(!response.cancelled);
    assert_eq!(response.status.unwrap().state(), TicketState::Processing);
    assert_eq!(front.store.sale(&id("phone-x")).await.unwrap().ledger.cancelled.tickets, 1);
}

#[tokio::test]
async fn batch_poll_status_returns_one_result_per_ticket_in_request_order() {
    let front = Front::start().await;
    for sale in ["a", "b"] {
        front.create(sale, SaleSettings::of_stock(300)).await;
    }
    let mut tickets = Vec::new();
    for buyer in 0..100 {
        tickets.push(front.queued(if buyer % 2 == 0 { "a" } else { "b" }, &buyer.to_string()).await.ticket);
    }
    tickets.push("forged".to_owned());
    tickets.reverse();
    let before = front.store.runs("look_up");
    let request = v1::BatchPollStatusRequest { tickets: tickets.clone() };
    let results = front.queue().batch_poll_status(request).await.unwrap().into_inner().results;
    assert!(front.store.runs("look_up") - before <= 4, "{:?}", front.store.batches("look_up"));
    assert_eq!(results.len(), 101);
    match results[0].result.as_ref().unwrap() {
        Of::Error(error) => assert_eq!(error.reason, "INVALID_TICKET"),
        Of::Status(status) => panic!("{status:?}"),
    }
    for (ticket, result) in tickets.iter().zip(&results).skip(1) {
        match result.result.as_ref().unwrap() {
            Of::Status(status) => assert_eq!(status.ticket_id, front.read(ticket).to_string()),
            Of::Error(error) => panic!("{error:?}"),
        }
    }
    for tickets in [Vec::new(), vec!["x".to_owned(); 257]] {
        let status =
            front.queue().batch_poll_status(v1::BatchPollStatusRequest { tickets }).await.unwrap_err();
        assert_eq!(crate::harness::violations(&status)[0].0, "tickets");
    }
}
