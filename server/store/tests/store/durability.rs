//! A change that is acknowledged as synced or replicated survives, and only such a change is acknowledged so.

use std::{sync::Arc, time::Duration};

use inrush_core::{
    epochs::TicketRef,
    sale::{SaleId, SaleSettings},
    store::{AdmitReply, Durability, Precondition, Store, StoreError},
    ticket::TicketStatus,
    time::{Clock, ManualClock},
};
use inrush_store::{
    conformance::{START, admit_request},
    redis::{RedisSettings, RedisStore, ScriptSources},
};

use crate::{backend::connect, redis_server::RedisServer};

/// The settings of a server that writes every change to its disk before it answers.
const EVERY_CHANGE: [(&str, &str); 2] = [("appendonly", "yes"), ("appendfsync", "always")];

/// A server that writes to its disk once a second.
const EVERY_SECOND: [(&str, &str); 2] = [("appendonly", "yes"), ("appendfsync", "everysec")];

async fn sale_of(store: &dyn Store, name: &str, durability: Durability) -> SaleId {
    let id = name.parse().unwrap();
    let settings = SaleSettings { durability, ..SaleSettings::of_stock(10) };
    store.configure(&id, &settings, Precondition::Absent).await.unwrap();
    id
}

#[tokio::test]
async fn a_reply_has_the_level_that_was_reached() {
    use Durability::{Fsync, Memory, Replicated};
    let clock = ManualClock::starting_at(START);
    for (config, best) in [(&[][..], Memory), (&EVERY_SECOND, Memory), (&EVERY_CHANGE, Fsync)] {
        let server = RedisServer::start_with(config).await;
        let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
        for (name, wanted) in [("plain", Memory), ("precious", Fsync), ("followed", Replicated)] {
            let kept = wanted == Memory || wanted == best;
            assert_eq!(store.supports_durability(wanted).await, Ok(kept), "{config:?} {name}");
            let sale = sale_of(store.as_ref(), name, wanted).await;
            let reply = store.admit(&sale, &[admit_request("ann", 1)]).await.unwrap();
            assert_eq!(reply.durability, if kept { wanted } else { Memory }, "{config:?} {name}");
        }
    }
}

/// A store with this replication timeout.
async fn waiting(server: &RedisServer, clock: &ManualClock, replication_timeout: Duration) -> Arc<dyn Store> {
    let response_timeout = 2 * replication_timeout.max(Duration::from_secs(30));
    let clock = Clock::Manual(clock.clone());
    let settings =
        RedisSettings { clock, replication_timeout, response_timeout, ..RedisSettings::new(server.url()) };
    RedisStore::connect(settings).await.unwrap()
}

/// Longer than any machine needs.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_replicated_change_survives_the_loss_of_its_server() {
    let clock = ManualClock::starting_at(START);
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let store = waiting(&master, &clock, LONG_TIMEOUT).await;
    assert_eq!(store.supports_durability(Durability::Replicated).await, Ok(true));
    let sale = sale_of(store.as_ref(), "followed", Durability::Replicated).await;
    let dedicated = store.with_own_connection().await.unwrap();
    for (handle, buyer) in [(&store, "ann"), (&store, "bob"), (&dedicated, "bob"), (&dedicated, "cem")] {
        let reply = handle.admit(&sale, &[admit_request(buyer, 1)]).await.unwrap();
        assert_eq!((reply.durability, reply.admissions.len()), (Durability::Replicated, 1), "{buyer}");
    }
    let before = store.sale(&sale).await.unwrap();
    assert_eq!(before.last_seq, 3);

    master.kill();
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let store = waiting(&replica, &clock, Duration::from_millis(100)).await;
    let after = store.sale(&sale).await.unwrap();
    assert_eq!((after.ledger, after.settings), (before.ledger, before.settings));
    assert_eq!((after.rises, after.restoring_until), (1, None), "another history, and nothing is lost");
    let reply = store.admit(&sale, &[admit_request("dee", 1)]).await.unwrap();
    assert_eq!(reply.durability, Durability::Memory, "the new master has no replica");
}

#[tokio::test]
async fn a_suspended_replica_does_not_count() {
    let clock = ManualClock::starting_at(START);
    let master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let store = waiting(&master, &clock, Duration::from_millis(100)).await;
    let sale = sale_of(store.as_ref(), "followed", Durability::Replicated).await;
    replica.suspend();
    for buyer in ["ann", "ann", "bob"] {
        let reply = store.admit(&sale, &[admit_request(buyer, 1)]).await.unwrap();
        assert_eq!(reply.durability, Durability::Memory, "{buyer}");
    }
    replica.resume();
    let reply =
        waiting(&master, &clock, LONG_TIMEOUT).await.admit(&sale, &[admit_request("bob", 1)]).await.unwrap();
    assert_eq!(reply.durability, Durability::Replicated);
}

/// How many connections of `server` are blocked in `WAIT`.
async fn connections_in_wait(server: &RedisServer) -> usize {
    let clients: String = server.command(&["CLIENT", "LIST"]).await;
    let words = |client: &str| client.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let blocked =
        |client: &Vec<String>| ["flags=b", "cmd=wait"].iter().all(|word| client.iter().any(|w| w == word));
    clients.lines().map(words).filter(blocked).count()
}

/// As many batches wait for a replica as the pool has connections, each on one of its own; the others wait for one of
/// these, and the hot path's connection waits for none of them.
#[tokio::test]
async fn replicated_batches_wait_concurrently_each_on_a_connection_of_its_own() {
    const POOLED: usize = 4;
    const BATCHES: usize = POOLED + 2;
    let clock = ManualClock::starting_at(START);
    let master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let settings = RedisSettings {
        clock: Clock::Manual(clock.clone()),
        replication_timeout: LONG_TIMEOUT,
        response_timeout: 2 * LONG_TIMEOUT,
        max_pooled_connections: POOLED,
        ..RedisSettings::new(master.url())
    };
    let store: Arc<dyn Store> = RedisStore::connect(settings).await.unwrap();
    let mut sales = Vec::new();
    for number in 0..BATCHES {
        let sale = sale_of(store.as_ref(), &format!("followed-{number}"), Durability::Replicated).await;
        // The first reply shows the store that the sale is replicated.
        store.admit(&sale, &[admit_request("ann", 1)]).await.unwrap();
        sales.push(sale);
    }

    replica.suspend();
    let epoch = store.sale(&sales[0]).await.unwrap().epoch;
    let batches: Vec<_> = sales
        .iter()
        .cloned()
        .map(|sale| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.admit(&sale, &[admit_request("bob", 1)]).await })
        })
        .collect();
    while connections_in_wait(&master).await < POOLED {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(connections_in_wait(&master).await, POOLED, "the pool is bounded");
    let statuses = store.look_up(&sales[0], &[TicketRef { epoch, seq: 1 }]).await.unwrap().statuses;
    assert_eq!(statuses, [Some(TicketStatus::Waiting { position: 1, attempted: false })]);
    assert!(batches.iter().all(|batch| !batch.is_finished()));

    replica.resume();
    for batch in batches {
        let reply = batch.await.unwrap().unwrap();
        assert_eq!((reply.durability, reply.admitted), (Durability::Replicated, 2));
    }
}

#[tokio::test]
async fn a_batch_that_finds_no_free_connection_in_time_reports_it() {
    let clock = ManualClock::starting_at(START);
    let master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let settings = RedisSettings {
        clock: Clock::Manual(clock.clone()),
        replication_timeout: LONG_TIMEOUT,
        response_timeout: Duration::from_secs(3),
        max_pooled_connections: 1,
        ..RedisSettings::new(master.url())
    };
    let store: Arc<dyn Store> = RedisStore::connect(settings).await.unwrap();
    let sale = sale_of(store.as_ref(), "followed", Durability::Replicated).await;
    store.admit(&sale, &[admit_request("ann", 1)]).await.unwrap();

    // One batch after the other occupies the one connection, each for half of the response timeout.
    replica.suspend();
    let batches = (0..4).map(|_| store.admit(&sale, &[]));
    let replies = futures_util::future::join_all(batches).await;
    let timed_out = |reply: &Result<AdmitReply, StoreError>| matches!(reply, Err(StoreError::Unavailable(text)) if text.contains("one of 1 pooled connections"));
    assert!(replies.iter().any(timed_out), "{replies:?}");
    replica.resume();
}

#[tokio::test]
async fn a_synced_change_survives_a_crash() {
    let clock = ManualClock::starting_at(START);
    let mut server = RedisServer::start_with(&EVERY_CHANGE).await;
    let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
    let sale = sale_of(store.as_ref(), "precious", Durability::Fsync).await;
    for number in 1..=20 {
        store.admit(&sale, &[admit_request(&format!("buyer-{number}"), 1)]).await.unwrap();
    }
    let before = store.sale(&sale).await.unwrap();
    server.restart().await;
    let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
    let ticket = TicketRef { epoch: before.epoch, seq: before.last_seq };
    let status = TicketStatus::Waiting { position: 10, attempted: false };
    assert_eq!(store.look_up(&sale, &[ticket]).await.unwrap().statuses, [Some(status)]);
    let after = store.sale(&sale).await.unwrap();
    assert_eq!((after.ledger, after.settings), (before.ledger, before.settings));
    assert_eq!((before.last_seq, after.rises, after.restoring_until), (10, 1, None));
}
