//! What is acknowledged as kept on disk is there after a crash, and only that is acknowledged as such.

use std::{sync::Arc, time::Duration};

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{Durability, Precondition, Store},
    ticket::TicketStatus,
    time::{Clock, ManualClock},
};
use inrush_store::{
    conformance::{START, wish},
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
async fn a_reply_tells_the_level_that_was_reached() {
    use Durability::{Fsync, Memory, Replicated};
    let clock = ManualClock::starting_at(START);
    for (config, best) in [(&[][..], Memory), (&EVERY_SECOND, Memory), (&EVERY_CHANGE, Fsync)] {
        let server = RedisServer::start_with(config).await;
        let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
        for (name, wanted) in [("plain", Memory), ("precious", Fsync), ("followed", Replicated)] {
            let kept = wanted == Memory || wanted == best;
            assert_eq!(store.supports_durability(wanted).await, Ok(kept), "{config:?} {name}");
            let sale = sale_of(store.as_ref(), name, wanted).await;
            let reply = store.admit(&sale, &[wish("ann", 1)]).await.unwrap();
            assert_eq!(reply.durability, if kept { wanted } else { Memory }, "{config:?} {name}");
        }
    }
}

/// A store whose admissions wait so long for a replica.
async fn waiting(server: &RedisServer, clock: &ManualClock, replication_timeout: Duration) -> Arc<dyn Store> {
    let response_timeout = 2 * replication_timeout.max(Duration::from_secs(30));
    let clock = Clock::Manual(clock.clone());
    let settings =
        RedisSettings { clock, replication_timeout, response_timeout, ..RedisSettings::new(server.url()) };
    RedisStore::connect(settings).await.unwrap()
}

/// As long as it takes, on any machine.
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_replicated_survives_the_loss_of_its_server() {
    let clock = ManualClock::starting_at(START);
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let store = waiting(&master, &clock, PATIENT).await;
    assert_eq!(store.supports_durability(Durability::Replicated).await, Ok(true));
    let sale = sale_of(store.as_ref(), "followed", Durability::Replicated).await;
    let dedicated = store.with_own_connection().await.unwrap();
    for (handle, buyer) in [(&store, "ann"), (&store, "bob"), (&dedicated, "bob"), (&dedicated, "cem")] {
        let reply = handle.admit(&sale, &[wish(buyer, 1)]).await.unwrap();
        assert_eq!((reply.durability, reply.admissions.len()), (Durability::Replicated, 1), "{buyer}");
    }
    let before = store.sale(&sale).await.unwrap();
    assert_eq!(before.last_seq, 3);

    master.kill();
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let store = waiting(&replica, &clock, Duration::from_millis(100)).await;
    assert_eq!(store.sale(&sale).await.unwrap(), before);
    let reply = store.admit(&sale, &[wish("dee", 1)]).await.unwrap();
    assert_eq!(reply.durability, Durability::Memory, "nobody follows the new master");
}

#[tokio::test]
async fn a_replica_that_stands_still_is_not_taken_for_one_that_follows() {
    let clock = ManualClock::starting_at(START);
    let master = RedisServer::start().await;
    let replica = RedisServer::start_with(&[("replicaof", &format!("127.0.0.1 {}", master.port()))]).await;
    replica.wait_for_master().await;
    let store = waiting(&master, &clock, Duration::from_millis(100)).await;
    let sale = sale_of(store.as_ref(), "followed", Durability::Replicated).await;
    replica.suspend();
    for buyer in ["ann", "ann", "bob"] {
        let reply = store.admit(&sale, &[wish(buyer, 1)]).await.unwrap();
        assert_eq!(reply.durability, Durability::Memory, "{buyer}");
    }
    replica.resume();
    let reply = waiting(&master, &clock, PATIENT).await.admit(&sale, &[wish("bob", 1)]).await.unwrap();
    assert_eq!(reply.durability, Durability::Replicated);
}

#[tokio::test]
async fn what_is_on_disk_survives_a_crash() {
    let clock = ManualClock::starting_at(START);
    let mut server = RedisServer::start_with(&EVERY_CHANGE).await;
    let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
    let sale = sale_of(store.as_ref(), "precious", Durability::Fsync).await;
    for number in 1..=20 {
        store.admit(&sale, &[wish(&format!("buyer-{number}"), 1)]).await.unwrap();
    }
    let before = store.sale(&sale).await.unwrap();
    server.restart().await;
    let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
    assert_eq!(store.sale(&sale).await.unwrap(), before);
    assert_eq!(before.last_seq, 10);
    let status = TicketStatus::Waiting { position: 10, attempted: false };
    assert_eq!(store.look_up(&sale, &[10]).await.unwrap().statuses, [Some(status)]);
}
