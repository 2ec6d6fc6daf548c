//! Batching: many calls, few operations of the store.

use futures_util::future::join_all;
use inrush_core::SaleSettings;
use inrush_proto::v1::{TicketState, enqueue_response::Outcome};

use crate::harness::{Front, enqueue_request, eventually, reason};

#[tokio::test]
async fn a_thousand_concurrent_enqueues_take_a_handful_of_batches() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(1000)).await;
    let held = front.store.hold_admissions().await;
    let calls: Vec<_> = (0..1000)
        .map(|buyer| {
            let mut client = front.queue();
            tokio::spawn(async move {
                client.enqueue(enqueue_request("phone-x", &format!("buyer {buyer}"), 1)).await
            })
        })
        .collect();
    eventually("the first run has begun", async || front.store.runs("admit") == 1).await;
    // Calls of a connection are in order: once a later call is answered, all the earlier ones wait behind the first run.
    front.poll("forged").await.unwrap_err();
    drop(held);
    let mut seqs = Vec::new();
    for answer in join_all(calls).await {
        let Some(Outcome::Queued(queued)) = answer.unwrap().unwrap().into_inner().outcome else {
            panic!("not queued")
        };
        let status = queued.status.unwrap();
        assert_eq!(status.state(), TicketState::Waiting);
        seqs.push(front.read(&queued.ticket).seq);
    }
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=1000), "every buyer has a seq of its own");
    let batches = front.store.batches("admit");
    assert!(batches.iter().all(|size| *size <= 256), "{batches:?}");
    assert!(batches.len() <= 12, "{batches:?}");
    assert_eq!(batches.iter().sum::<usize>(), 1000);
}

#[tokio::test]
async fn a_store_failure_fails_every_waiting_call() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(1000)).await;
    for (panics, expected) in [(false, "STORE_UNAVAILABLE"), (true, "INTERNAL")] {
        front.store.set_unavailable(!panics);
        front.store.set_panics(panics);
        let calls = (0..20).map(|buyer| {
            let mut client = front.queue();
            async move { client.enqueue(enqueue_request("phone-x", &buyer.to_string(), 1)).await }
        });
        for answer in join_all(calls).await {
            assert_eq!(reason(&answer.unwrap_err()), expected);
        }
        front.store.set_unavailable(false);
        front.store.set_panics(false);
    }
    front.queued("phone-x", "ada").await;
}
