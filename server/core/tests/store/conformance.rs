//! One suite for every store. A case is a function from a [`World`] of its own; it is listed at the head of its file.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::world::World;
pub(crate) use self::{sale::wish, world::START};
use crate::{
    backend::Backend,
    redis_server::{RedisCluster, RedisServer},
};

mod admission;
mod claims;
mod closing;
mod endings;
mod events;
mod leases;
mod limits;
mod line;
mod outlook;
mod pace;
mod races;
mod sale;
mod segments;
mod settings;
mod world;

/// One thing that is true of every store.
pub(crate) struct Case {
    name: &'static str,
    run: fn(World) -> BoxFuture<'static, ()>,
}

/// Lists the cases of a file.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(super) fn cases() -> Vec<super::Case> {
            vec![$(super::Case::new(concat!(module_path!(), "::", stringify!($name)), |world| Box::pin($name(world)))),+]
        }
    };
}
use cases;

impl Case {
    const fn new(name: &'static str, run: fn(World) -> BoxFuture<'static, ()>) -> Self {
        Self { name, run }
    }
}

fn all_cases() -> Vec<Case> {
    [
        settings::cases(),
        admission::cases(),
        line::cases(),
        claims::cases(),
        pace::cases(),
        outlook::cases(),
        leases::cases(),
        endings::cases(),
        closing::cases(),
        segments::cases(),
        events::cases(),
        limits::cases(),
        races::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Runs all cases, one after the other, and names those that failed.
async fn conforms(backend: Backend) {
    let backend = Arc::new(backend);
    let mut failed = Vec::new();
    for (number, case) in all_cases().into_iter().enumerate() {
        let world = World::new(Arc::clone(&backend), number).await;
        if tokio::spawn((case.run)(world)).await.is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_conforms() {
    conforms(Backend::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_conforms() {
    conforms(Backend::Redis(RedisServer::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_conforms() {
    conforms(Backend::Cluster(RedisCluster::start().await)).await;
}
