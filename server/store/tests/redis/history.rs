//! Servers that come back with older data, or are replaced by one that has less: no place is given twice.

use std::time::Duration;

use inrush_core::store::prelude::*;
use inrush_core::{
    SaleId, SaleSettings, StoreError, TicketRef, TicketState, TicketStatus,
    store::{Admission, AdmitRequest, Refusal},
};
use inrush_store::redis::{RedisSettings, RedisStore};

use crate::{
    redis_server::RedisServer,
    support::{connect, connect_with, create, enqueue, eventually, request},
};

/// Keeps snapshots, and writes them only on demand.
const SNAPSHOTS: [(&str, &str); 1] = [("save", "3600 1")];

const RESTORE_WINDOW: Duration = Duration::from_millis(1);

async fn ticket_of(store: &RedisStore, sale: &SaleId, buyer: &str) -> TicketRef {
    let reply = eventually(async || {
        let reply = enqueue(store, sale, buyer).await?;
        match reply.admissions[0] {
            Admission::Refused(Refusal::Restoring { .. }) => {
                Err(StoreError::Unavailable("lost tickets are restored first".to_owned()))
            }
            _ => Ok(reply),
        }
    })
    .await;
    match reply.admissions[0] {
        Admission::Queued { seq, .. } | Admission::Existing { seq } => reply.epochs.ticket(seq),
        other => panic!("{buyer} should be in the queue: {other:?}"),
    }
}

async fn state_of(store: &RedisStore, sale: &SaleId, ticket: TicketRef) -> TicketState {
    let reply = eventually(async || store.look_up(sale, &[ticket]).await).await;
    reply.statuses[0].as_ref().map(TicketStatus::state).expect("the sale has given this ticket")
}

#[tokio::test]
async fn a_server_that_comes_back_with_an_old_snapshot_gives_no_ticket_twice() {
    let mut server = RedisServer::start_with(&SNAPSHOTS).await;
    let settings = RedisSettings { restore_window: RESTORE_WINDOW, ..RedisSettings::new(server.url()) };
    let store = connect_with(settings).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    let kept = ticket_of(&store, &sale, "ann").await;
    server.command::<String>(&["SAVE"]).await;
    let lost = [ticket_of(&store, &sale, "bob").await, ticket_of(&store, &sale, "cleo").await];
    server.restart().await;

    let new = ticket_of(&store, &sale, "dora").await;
    assert!(!lost.iter().any(|lost| lost.seq == new.seq) && new.epoch > kept.epoch);
    assert_eq!(state_of(&store, &sale, kept).await, TicketState::Waiting);
    assert_eq!(state_of(&store, &sale, lost[0]).await, TicketState::Lost);
    assert!(store.sale(&sale).await.unwrap().restoring_until.is_some());

    let restore = AdmitRequest { restores: Some(lost[1]), ..request("cleo") };
    let restored = store.admit(&sale, &[restore]).await.unwrap();
    assert_eq!(restored.admissions, [Admission::Restored { seq: lost[1].seq }]);
    let statuses = store.look_up(&sale, &[lost[1], new]).await.unwrap().statuses;
    let waiting = |position| Some(TicketStatus::Waiting { position, attempted: false });
    assert_eq!(statuses, [waiting(2), waiting(3)]);
}

#[tokio::test]
async fn a_restart_that_loses_nothing_is_quiet() {
    let mut server = RedisServer::start_with(&SNAPSHOTS).await;
    let store = connect(&server.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    let ann = ticket_of(&store, &sale, "ann").await;
    server.command::<String>(&["SAVE"]).await;
    server.restart().await;
    assert_eq!(state_of(&store, &sale, ann).await, TicketState::Waiting);
    assert_eq!(ticket_of(&store, &sale, "ann").await, ann);
    let snapshot = store.sale(&sale).await.unwrap();
    assert_eq!((snapshot.rises, snapshot.restoring_until), (1, None));
}

#[tokio::test]
async fn a_replica_that_is_promoted_with_less_gives_no_ticket_twice() {
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[
        ("replicaof", &format!("127.0.0.1 {}", master.port())),
        ("repl-diskless-sync-delay", "0"),
    ])
    .await;
    replica.wait_for_master().await;
    let store = connect(&master.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    let kept = ticket_of(&store, &sale, "ann").await;
    eventually(async || match master.command::<u64>(&["WAIT", "1", "1000"]).await {
        1 => Ok(()),
        _ => Err(StoreError::Unavailable("the replica lags".to_owned())),
    })
    .await;
    // The old master gives tickets after the replica was promoted.
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let lost = ticket_of(&store, &sale, "bob").await;
    master.kill();

    // Another process, which has not seen bob's ticket, finds the promoted server first.
    let other = connect(&replica.url()).await;
    let new = ticket_of(&other, &sale, "cleo").await;
    assert!(new.seq != lost.seq && new.epoch > lost.epoch);
    assert_eq!(state_of(&other, &sale, kept).await, TicketState::Waiting);
    assert_eq!(state_of(&other, &sale, lost).await, TicketState::Lost);
}

#[tokio::test]
async fn a_sale_that_has_lost_tickets_and_restored_some_is_deleted_completely() {
    let mut server = RedisServer::start_with(&SNAPSHOTS).await;
    let store = connect(&server.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    server.command::<String>(&["SAVE"]).await;
    let lost = ticket_of(&store, &sale, "ann").await;
    server.restart().await;
    let restore = AdmitRequest { restores: Some(lost), ..request("ann") };
    let restored = eventually(async || store.admit(&sale, std::slice::from_ref(&restore)).await).await;
    assert_eq!(restored.admissions, [Admission::Restored { seq: lost.seq }]);
    store.close(&sale).await.unwrap();
    store.delete(&sale).await.unwrap();
    assert_eq!(server.command::<Vec<String>>(&["KEYS", "inrush:{*"]).await, Vec::<String>::new());
}
