//! One suite for every store: what the ports promise, as a library that any implementation can run.
//!
//! A test implements [`Backend`] for its store and calls [`run`]. A case is a function from a [`World`] of its own; it
//! is listed at the head of its file.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a case that fails panics")]

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use inrush_core::{sale::SaleId, store::Store, time::ManualClock};

use self::world::World;
pub use self::{sale::wish, world::START};

mod admission;
mod backlog;
mod claims;
mod closing;
mod endings;
mod events;
mod leases;
mod limits;
mod pace;
mod queue;
mod races;
mod sale;
mod segments;
mod settings;
mod world;

/// Where the store under test keeps its data.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// An empty store that takes its time from `clock`.
    async fn empty_store(&self, clock: &ManualClock) -> Arc<dyn Store>;

    /// Drops what the servers cache between calls (scripts, for example). No caller may notice.
    async fn flush_caches(&self) {}

    /// Names of everything stored whose name contains `part`; empty for a store that has no names to list.
    async fn keys_with(&self, part: &str) -> Vec<String>;

    /// An id, beginning with `name`, of a sale that lives on the same server as `sale`: what one server announces arrives
    /// in order.
    async fn neighbour_of(&self, sale: &SaleId, name: &str) -> SaleId;
}

/// Runs all cases, one after the other.
///
/// # Panics
/// If cases failed; the message names them.
pub async fn run(backend: impl Backend) {
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let mut failed = Vec::new();
    for (number, case) in all_cases().into_iter().enumerate() {
        let world = World::new(Arc::clone(&backend), number).await;
        if tokio::spawn((case.run)(world)).await.is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

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
        queue::cases(),
        claims::cases(),
        pace::cases(),
        backlog::cases(),
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
