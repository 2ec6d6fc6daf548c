//! Servers with unsuitable configurations, and the durability of servers.

use std::fs;

use inrush_core::store::prelude::*;
use inrush_core::{
    SaleSettings, StoreError,
    store::{Admission, Durability, WriteRefusal},
};
use inrush_store::redis::RedisSettings;
use inrush_testkit::port::free_port;

use crate::{
    redis_server::{RedisCluster, RedisServer},
    support::{admission_of, connect, connect_with, create, enqueue},
};

fn remedy(checked: Result<(), StoreError>) -> String {
    match checked {
        Err(StoreError::Unsuitable(text) | StoreError::AccessDenied(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_evicts_keys_is_unsuitable() {
    let server = RedisServer::start_with(&[("maxmemory-policy", "allkeys-lru")]).await;
    let store = connect(&server.url()).await;
    let text = remedy(store.check().await);
    assert!(
        text.contains("allkeys-lru") && text.contains("CONFIG SET maxmemory-policy noeviction"),
        "{text}"
    );
    server.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(store.check().await, Ok(()));
}

#[tokio::test]
async fn every_master_of_a_cluster_is_checked() {
    let cluster = RedisCluster::start().await;
    let store = connect(&cluster.url()).await;
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(store.supports_durability(Durability::Fsync).await, Ok(false));
    assert_eq!(store.supports_durability(Durability::Replicated).await, Ok(false));
    cluster.nodes()[1].command::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]).await;
    assert!(remedy(store.check().await).contains("volatile-ttl"));
}

#[tokio::test]
async fn the_wrong_kind_of_url_is_named() {
    let cluster = RedisCluster::start().await;
    let node = &cluster.nodes()[0];
    assert!(remedy(connect(&node.url()).await.check().await).contains("redis+cluster://"));
    let server = RedisServer::start().await;
    let url = server.url().replace("redis://", "redis+cluster://");
    assert!(remedy(connect(&url).await.check().await).contains("write redis://"));
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_contain_it() {
    let server = RedisServer::start().await;
    server
        .command::<()>(&["ACL", "SETUSER", "inrush", "on", ">right", "~inrush:*", "&inrush:*", "+@all"])
        .await;
    let url = |password: &str| server.url().replace("redis://", &format!("redis://inrush:{password}@"));
    let text = remedy(connect(&url("hunter2")).await.check().await);
    assert!(text.contains("password") && !text.contains("hunter2"), "{text}");
    let store = connect(&url("right")).await;
    assert_eq!(store.check().await, Ok(()));
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert!(enqueue(&store, &sale, "a").await.is_ok());
}

/// A URL of `server` for a new user with `rules`.
async fn user(server: &RedisServer, rules: &str) -> String {
    let words = ["ACL", "SETUSER", "app", "reset", "on", ">p"].into_iter().chain(rules.split(' '));
    server.command::<()>(&words.collect::<Vec<_>>()).await;
    server.url().replace("redis://", "redis://app:p@")
}

#[tokio::test]
async fn a_user_that_lacks_rights_is_unsuitable_and_the_rights_are_named() {
    for (rules, missing) in [
        ("~inrush:* +@all", "+publish &inrush:work"),
        ("~inrush:* &inrush:* +@all -rpush", "rights: +rpush."),
        ("~other:* &inrush:* +@all", "rights: ~inrush:"),
        ("%R~inrush:* &inrush:* +@all", "+setrange"),
        ("~inrush:* &inrush:* +@all -info", "info"),
        ("~inrush:* &inrush:* +@all -@scripting", "eval"),
    ] {
        let server = RedisServer::start().await;
        let store = connect(&user(&server, rules).await).await;
        let text = remedy(store.check().await);
        assert!(text.contains(missing) && text.contains("ACL SETUSER"), "{rules}: {text}");
    }
}

/// The right may be taken away while a sale runs. A ticket is then refused or complete, and no seq is given twice.
#[tokio::test]
async fn a_script_that_may_not_publish_still_completes() {
    let server = RedisServer::start().await;
    let store = connect(&user(&server, "~inrush:* &inrush:* +@all").await).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    server.command::<()>(&["ACL", "SETUSER", "app", "resetchannels"]).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
    assert_eq!(admission_of(&store, &sale, "b").await, Admission::Queued { seq: 2, position: 2 });
    assert_eq!(store.sale(&sale).await.unwrap().ledger.admitted.tickets, 2);
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_reported_with_the_cause() {
    let server = RedisServer::start().await;
    let store = connect(&server.url()).await;
    assert_eq!(store.check().await, Ok(()));
    for (setting, refusing, normal, cause) in [
        ("maxmemory", "1", "0", WriteRefusal::Full),
        ("min-replicas-to-write", "1", "0", WriteRefusal::TooFewReplicas),
    ] {
        server.command::<()>(&["CONFIG", "SET", setting, refusing]).await;
        let error = store.check().await.unwrap_err();
        assert!(
            matches!(error, StoreError::RefusesWrites(refusal, _) if refusal == cause),
            "{setting}: {error}"
        );
        server.command::<()>(&["CONFIG", "SET", setting, normal]).await;
        assert_eq!(store.check().await, Ok(()));
    }
}

#[tokio::test]
async fn the_memory_of_the_fullest_master_is_known() {
    let server = RedisServer::start().await;
    let store = connect(&server.url()).await;
    let memory = store.memory().await.unwrap();
    assert!(memory.used > 0 && memory.limit == 0, "{memory:?}");
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert_eq!(store.memory().await.unwrap().limit, 100 * 1024 * 1024);
    let cluster = RedisCluster::start().await;
    cluster.nodes()[1].command::<()>(&["CONFIG", "SET", "maxmemory", "50mb"]).await;
    assert_eq!(connect(&cluster.url()).await.memory().await.unwrap().limit, 50 * 1024 * 1024);
}

#[tokio::test]
async fn durability_is_memory_when_config_get_is_not_permitted() {
    let server = RedisServer::start_with(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    server
        .command::<()>(&[
            "ACL",
            "SETUSER",
            "inrush",
            "on",
            ">p",
            "~inrush:*",
            "&inrush:*",
            "+@all",
            "-config",
        ])
        .await;
    let store = connect(&server.url().replace("redis://", "redis://inrush:p@")).await;
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(store.supports_durability(Durability::Fsync).await, Ok(false));
}

#[tokio::test]
async fn an_fsync_sale_gets_the_level_that_was_reached() {
    let server = RedisServer::start_with(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let store = connect(&server.url()).await;
    assert_eq!(store.supports_durability(Durability::Fsync).await, Ok(true));
    let sale =
        create(&store, &SaleSettings { durability: Durability::Fsync, ..SaleSettings::of_stock(9) }).await;
    assert_eq!(enqueue(&store, &sale, "a").await.unwrap().durability, Durability::Fsync);

    server.command::<()>(&["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let fresh = connect_with(RedisSettings::new(server.url())).await;
    assert_eq!(fresh.supports_durability(Durability::Fsync).await, Ok(false));
    assert_eq!(enqueue(&fresh, &sale, "b").await.unwrap().durability, Durability::Memory);
}

#[tokio::test]
async fn a_memory_sale_gets_memory_even_where_the_disk_is_synced() {
    let server = RedisServer::start_with(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let store = connect(&server.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert_eq!(enqueue(&store, &sale, "a").await.unwrap().durability, Durability::Memory);
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_authority_only() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = free_port().to_string();
    let _server = RedisServer::start_with(&[
        ("tls-port", &port),
        ("tls-cert-file", certificate.to_str().unwrap()),
        ("tls-key-file", key.to_str().unwrap()),
        ("tls-auth-clients", "no"),
    ])
    .await;
    let settings = RedisSettings::new(format!("rediss://127.0.0.1:{port}"));
    let stranger = connect_with(settings.clone()).await;
    let error = stranger.check().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let store =
        connect_with(RedisSettings { authority: Some(made.cert.pem().into_bytes()), ..settings }).await;
    assert_eq!(store.check().await, Ok(()));
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert!(enqueue(&store, &sale, "a").await.is_ok());
}
