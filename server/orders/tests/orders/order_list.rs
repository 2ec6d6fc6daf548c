//! `ListOrders`, page by page.

use std::time::Duration;

use inrush_orders::{DatabaseUrl, NewOrder, OrderSettings, Payment, SaleStock};
use inrush_proto::v1::{
    KnownOrder, ListOrdersRequest, known_order::State,
    order_creation_service_client::OrderCreationServiceClient,
};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::{
    client::Server,
    databases::{TestDatabase, creation, on_every_database, order, order_id},
};

on_every_database!(orders_of_a_creation_are_listed_page_by_page);

/// The order of this seq in the creation of `shoes` at `created_at`.
fn shoes(created_at: u64, seq: u64) -> NewOrder {
    NewOrder {
        ticket_id: format!("shoes/{created_at}/{seq}"),
        sale: creation("shoes", created_at),
        ..order("shoes", seq, 1)
    }
}

async fn orders_of_a_creation_are_listed_page_by_page(database: TestDatabase) {
    let store = database.open().await;
    for created_at in [7, 9] {
        store.provision(creation("shoes", created_at), SaleStock::Units(10)).await.unwrap();
    }
    let unpaid = NewOrder { payment: Payment::Awaited(Duration::ZERO), ..shoes(7, 2) };
    let orders = [shoes(7, 1), shoes(9, 1), unpaid, shoes(7, 3), shoes(7, 4)];
    let created = store.create(&orders).await.unwrap();
    assert!(created.iter().all(|outcome| order_id(outcome).is_some()), "{created:?}");
    assert_eq!(store.release_overdue(10).await.unwrap(), 1);

    let seqs = async |sale, after, since, limit| -> Vec<(u64, u64)> {
        let page = store.orders_of(&sale, after, since, limit).await.unwrap();
        page.iter().map(|order| (order.seq, order.sequence)).collect()
    };
    let first = seqs(creation("shoes", 7), 0, 0, 2).await;
    assert_eq!(first.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    let second = seqs(creation("shoes", 7), first[1].1, 0, 9).await;
    assert_eq!(second.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(seqs(creation("shoes", 9), 0, 0, 9).await.len(), 1);
    assert_eq!(seqs(creation("shoes", 8), 0, 0, 9).await, []);

    let all = store.orders().await.unwrap();
    let released_at = all.iter().find_map(|order| order.released_at).unwrap();
    let later = all.iter().map(|order| order.created_at).chain([released_at]).max().unwrap() + 1;
    assert_eq!(seqs(creation("shoes", 7), 0, later, 9).await, []);
    let since_release = seqs(creation("shoes", 7), 0, released_at, 9).await;
    assert!(since_release.iter().any(|(seq, _)| *seq == 2), "{since_release:?}");
}

async fn list(server: &Server, request: ListOrdersRequest) -> Result<(Vec<KnownOrder>, String), Status> {
    let mut client = OrderCreationServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let response = client.list_orders(request).await?.into_inner();
    Ok((response.orders, response.next_page_token))
}

#[tokio::test]
async fn a_list_names_tickets_and_states_and_says_what_is_missing() {
    let settings = OrderSettings { database: DatabaseUrl::memory(), ..OrderSettings::default() };
    let server = Server::start(settings).await;
    server.store.provision(creation("shoes", 7_000), SaleStock::Units(10)).await.unwrap();
    let unpaid = NewOrder { payment: Payment::Awaited(Duration::ZERO), ..shoes(7_000, 2) };
    let created = server.store.create(&[shoes(7_000, 1), unpaid, shoes(7_000, 3)]).await.unwrap();
    while server.store.orders().await.unwrap().iter().all(|order| order.released_at.is_none()) {
        server.store.release_overdue(10).await.unwrap();
    }

    let request = ListOrdersRequest {
        sale_id: "shoes".to_owned(),
        sale_create_time: Some(Timestamp { seconds: 7, nanos: 0 }),
        page_size: 2,
        ..ListOrdersRequest::default()
    };
    let (first, next_page_token) = list(&server, request.clone()).await.unwrap();
    assert_eq!(first.len(), 2);
    let expected = KnownOrder {
        ticket_id: "shoes/7000/1".to_owned(),
        order_id: order_id(&created[0]).unwrap().to_owned(),
        buyer_id: "buyer-1".to_owned(),
        units: 1,
        state: State::Ordered.into(),
    };
    assert_eq!((&first[0], first[1].state()), (&expected, State::Released));
    let rest = ListOrdersRequest { page_token: next_page_token, ..request.clone() };
    let (second, end) = list(&server, rest).await.unwrap();
    assert_eq!((second.len(), end.as_str()), (1, ""));

    let faulty = [
        (ListOrdersRequest { sale_create_time: None, ..request.clone() }, "sale_create_time"),
        (ListOrdersRequest { page_token: "x".to_owned(), ..request.clone() }, "page_token"),
        (
            ListOrdersRequest { changed_since: Some(Timestamp { seconds: -1, nanos: 0 }), ..request },
            "changed_since",
        ),
    ];
    for (request, field) in faulty {
        let status = list(&server, request).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains(field), "{status:?}");
    }
    server.stop().await;
}
