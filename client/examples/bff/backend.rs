//! The state shared by all handlers.

use std::sync::Arc;

use inrush_client::Client;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The state shared by all handlers.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) client: Client,
    /// One permit for each phone that may watch.
    pub(crate) watches: Arc<Semaphore>,
    /// Ends the streams.
    pub(crate) stop: CancellationToken,
}
