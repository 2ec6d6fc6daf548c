//! The metadata of every request.

use std::fmt;

use tonic::{Request, metadata::MetadataMap};

use crate::token::Token;

/// Adds the caller's metadata to each request.
type Hook = std::sync::Arc<dyn Fn(&mut MetadataMap) + Send + Sync>;

/// The caller's hook, for instance one that propagates the current trace.
#[derive(Clone)]
pub(crate) struct RequestHook(Hook);

impl RequestHook {
    pub(crate) fn new(hook: impl Fn(&mut MetadataMap) + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(hook))
    }
}

impl fmt::Debug for RequestHook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestHook")
    }
}

/// The token and the hook.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) token: Option<Token>,
    pub(crate) hook: Option<RequestHook>,
}

impl Metadata {
    /// Makes a request with metadata.
    pub(crate) async fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.header().await);
        }
        if let Some(RequestHook(hook)) = &self.hook {
            hook(request.metadata_mut());
        }
        request
    }
}
