//! Clusters that are resharded during a sale.

use inrush_core::store::prelude::*;
use inrush_core::{
    SaleSettings,
    store::{Admission, ClaimRequest, DeleteResult},
};

use crate::{
    redis_server::{RedisCluster, RedisServer},
    support::{admission_of, connect, create},
};

#[tokio::test]
async fn a_sale_that_moves_to_another_node_is_followed() {
    let cluster = RedisCluster::start().await;
    let store = connect(&cluster.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
    move_slot(&cluster, "inrush:{phone-x}:sale").await;
    // Another server, so another history: the epoch rises, and seqs are set aside.
    let second = admission_of(&store, &sale, "b").await;
    assert!(matches!(second, Admission::Queued { seq: 3.., position: 2 }), "{second:?}");
    let snapshot = store.sale(&sale).await.unwrap();
    assert_eq!((snapshot.rises, snapshot.restoring_until), (1, None));
    for _ in 0..2 {
        assert_eq!(store.claim(&sale, ClaimRequest { max: 9 }).await.unwrap().entries.len(), 1);
    }
}

#[tokio::test]
async fn a_deleted_sale_leaves_no_key_on_any_node() {
    let cluster = RedisCluster::start().await;
    let store = connect(&cluster.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    admission_of(&store, &sale, "a").await;
    store.close(&sale).await.unwrap();
    assert_eq!(store.delete(&sale).await, Ok(DeleteResult::Deleted));
    for node in cluster.nodes() {
        assert_eq!(node.command::<Vec<String>>(&["KEYS", "*"]).await, Vec::<String>::new());
    }
}

/// Moves the slot of a key from its node to the next, as `redis-cli --cluster reshard` does.
async fn move_slot(cluster: &RedisCluster, key: &str) {
    let nodes = cluster.nodes();
    let slot = nodes[0].command::<u64>(&["CLUSTER", "KEYSLOT", key]).await.to_string();
    let mut owner = None;
    for (index, node) in nodes.iter().enumerate() {
        if node.command::<u64>(&["CLUSTER", "COUNTKEYSINSLOT", &slot]).await > 0 {
            owner = Some(index);
        }
    }
    let from = owner.expect("a node has the key");
    let (from, to) = (&nodes[from], &nodes[(from + 1) % nodes.len()]);
    let (from_id, to_id) = (id_of(from).await, id_of(to).await);
    to.command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    from.command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
    let port = to.port().to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    from.command::<()>(&migrate).await;
    for node in [to, from] {
        node.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
}

async fn id_of(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"]).await
}
