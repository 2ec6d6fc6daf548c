//! The conformance suite on every store of this crate.

use inrush_store::conformance;

use crate::{
    backend::{Backend, MemoryBackend},
    redis_server::{RedisCluster, RedisServer},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_conforms() {
    conformance::run(Backend::Memory(MemoryBackend::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_conforms() {
    conformance::run(Backend::Redis(RedisServer::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_conforms() {
    conformance::run(Backend::Cluster(RedisCluster::start().await)).await;
}
