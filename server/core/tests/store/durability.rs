//! What is acknowledged as kept on disk is there after a crash, and only that is acknowledged as such.

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{Durability, Expected, Store, redis::ScriptSources},
    ticket::Standing,
    time::ManualClock,
};

use crate::{
    backend::connect,
    conformance::{START, wish},
    redis_server::RedisServer,
};

/// The settings of a server that writes every change to its disk before it answers.
const EVERY_CHANGE: [(&str, &str); 2] = [("appendonly", "yes"), ("appendfsync", "always")];

/// A server that writes to its disk once a second.
const EVERY_SECOND: [(&str, &str); 2] = [("appendonly", "yes"), ("appendfsync", "everysec")];

async fn sale_of(store: &dyn Store, name: &str, durability: Durability) -> SaleId {
    let id = name.parse().unwrap();
    let settings = SaleSettings { durability, ..SaleSettings::of_stock(10) };
    store.configure(&id, &settings, Expected::Absent).await.unwrap();
    id
}

#[tokio::test]
async fn a_reply_tells_the_level_that_was_reached() {
    use Durability::{Fsync, Memory};
    let clock = ManualClock::starting_at(START);
    for (config, best) in [(&[][..], Memory), (&EVERY_SECOND, Memory), (&EVERY_CHANGE, Fsync)] {
        let server = RedisServer::start_with(config).await;
        let store = connect(&server.url(), &clock, ScriptSources::bundled()).await;
        assert_eq!(store.durability().await.unwrap(), best, "{config:?}");
        for (name, wanted) in [("plain", Memory), ("precious", Fsync)] {
            let sale = sale_of(store.as_ref(), name, wanted).await;
            let reply = store.admit(&sale, &[wish("ann", 1)]).await.unwrap();
            assert_eq!(reply.durability, wanted.min(best), "{config:?} {name}");
        }
    }
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
    let standing = Standing::Waiting { position: 10, attempted: false };
    assert_eq!(store.look_up(&sale, &[10]).await.unwrap().standings, [Some(standing)]);
}
