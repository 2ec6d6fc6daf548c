//! The metadata of requests.

use std::{fs, sync::Arc};

use inrush_client::{Client, ClientSettings, Ticket};
use tonic::metadata::MetadataValue;

use crate::fake::{Answer, Fake, Step, TcpServer, ordered, waiting};

#[tokio::test]
async fn every_call_carries_the_token_the_hooks_metadata_and_the_user_agent() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "s3cret\n").unwrap();
    let fake = Arc::new(
        Fake::default().poll(|_, _| Answer::Say(waiting(1, 1))).watch(|_, _| vec![Step::Say(ordered())]),
    );
    let server = TcpServer::start(&fake);
    let settings = ClientSettings::new(server.url())
        .bearer_token_file(&token)
        .user_agent("shop-bff/3.1")
        .on_request(|metadata| {
            metadata.insert("traceparent", MetadataValue::from_static("00-0af7-b7ad-01"));
        });
    assert!(!format!("{settings:?}").contains("s3cret"));
    let client = Client::connect(settings).await.unwrap();
    assert!(!format!("{client:?}").contains("s3cret"));
    client.poll(&Ticket::from("t")).await.unwrap();
    futures_util::StreamExt::next(&mut client.watch(&Ticket::from("t"))).await.unwrap().unwrap();
    let seen = fake.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer s3cret"), "{}", seen.rpc);
        assert_eq!(seen.header("traceparent").as_deref(), Some("00-0af7-b7ad-01"), "{}", seen.rpc);
        assert!(seen.header("user-agent").unwrap().starts_with("shop-bff/3.1"), "{}", seen.rpc);
    }
    server.kill();
}

#[tokio::test]
async fn a_missing_token_file_fails_before_the_first_call() {
    let settings = ClientSettings::new("http://127.0.0.1:1").bearer_token_file("/nowhere/token");
    let error = Client::lazy(settings).unwrap_err();
    assert!(error.to_string().starts_with("cannot read the bearer token from /nowhere/token: "), "{error}");
}
