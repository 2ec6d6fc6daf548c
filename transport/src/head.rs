//! What all calls of a method have in common.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};

use crate::endpoint::Endpoint;
use crate::error::Error;

const USER_AGENT: &str = concat!("inrush-loadtest/", env!("CARGO_PKG_VERSION"));

/// What all calls of a method have in common.
#[derive(Debug)]
pub struct Head {
    uri: Uri,
    headers: HeaderMap,
    pub(super) timeout: Option<Duration>,
    pub(super) max_receive: usize,
    pub(super) keep: bool,
}

impl Head {
    /// Calls of `path` at an endpoint, each of which may take `timeout`.
    ///
    /// # Errors
    /// When the path or the authority is not one.
    pub fn new(endpoint: &Endpoint, path: &str, timeout: Option<Duration>) -> Result<Self, Error> {
        let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
        let authority = endpoint.authority();
        let uri = Uri::builder().scheme(scheme).authority(authority.as_str()).path_and_query(path).build();
        let uri = uri.map_err(|error| {
            Error::new(
                format!("{authority:?} cannot be called at {path:?}: {error}"),
                "give the server as host:port, and --authority as a host name",
            )
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(timeout) = timeout {
            headers.insert("grpc-timeout", timeout_header(timeout));
        }
        Ok(Self { uri, headers, timeout, max_receive: endpoint.max_receive, keep: false })
    }

    /// Declares that messages are compressed with gzip.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        self
    }

    /// Keeps the last message of every answer.
    #[must_use]
    pub fn keeping_messages(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The head of a call with metadata of its own.
    pub(super) fn request(&self, metadata: HeaderMap) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if !metadata.is_empty() {
            request.headers_mut().extend(metadata);
        }
        request
    }
}

/// At most eight digits and a unit.
fn timeout_header(timeout: Duration) -> HeaderValue {
    const MAX_AMOUNT: u128 = 99_999_999;
    let units =
        [(timeout.as_micros(), 'u'), (timeout.as_millis(), 'm'), (u128::from(timeout.as_secs()), 'S')];
    let fitting = units.into_iter().find(|(amount, _)| *amount <= MAX_AMOUNT);
    let (amount, unit) = fitting.unwrap_or((MAX_AMOUNT, 'S'));
    HeaderValue::try_from(format!("{}{unit}", amount.max(1)))
        .unwrap_or_else(|_| HeaderValue::from_static("1S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_fits_its_header() {
        let header = |timeout| timeout_header(timeout).to_str().unwrap().to_owned();
        assert_eq!(header(Duration::from_secs(20)), "20000000u");
        assert_eq!(header(Duration::from_secs(200)), "200000m");
        assert_eq!(header(Duration::from_secs(1_000_000)), "1000000S");
        assert_eq!(header(Duration::from_nanos(1)), "1u");
        assert_eq!(header(Duration::MAX), "99999999S");
    }
}
