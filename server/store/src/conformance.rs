//! One suite for every store: what the ports promise, as a library that any implementation can run.
//!
//! A test implements [`Backend`] for its store and calls [`run`]. A case is a function of a [`Context`] of its own; it is
//! listed at the head of its file.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a case that fails panics")]

use std::sync::Arc;

pub use self::{backend::Backend, context::START, sale::admit_request};
use self::{case::Case, context::Context};

mod admission;
mod backend;
mod backlog;
mod case;
mod claims;
mod closing;
mod context;
mod endings;
mod events;
mod history;
mod leases;
mod limits;
mod pace;
mod queue;
mod races;
mod reconcile;
mod sale;
mod segments;
mod settings;

/// Runs all cases, one after the other.
///
/// # Panics
/// If cases failed; the message names them.
pub async fn run(backend: impl Backend) {
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let mut failed = Vec::new();
    for (number, case) in all_cases().into_iter().enumerate() {
        let context = Context::new(Arc::clone(&backend), number).await;
        if tokio::spawn(case.run(context)).await.is_err() {
            failed.push(case.name());
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
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
        history::cases(),
        reconcile::cases(),
        races::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
