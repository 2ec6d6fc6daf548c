//! The settings of a client.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use tonic::{
    metadata::MetadataMap,
    transport::{Endpoint, Uri},
};

use crate::{
    connect_error::ConnectError,
    connection_pool::Destination,
    error_chain::explain,
    grpc_clients::MessageSizes,
    metadata::{Metadata, RequestHook},
    retry_policy::RetryPolicy,
    tls::TlsSettings,
    token::{Token, TokenSource},
};

/// Endpoints of one client. Each call compares all of them, and each has open connections; use a load
/// balancer for more front nodes.
const MAX_ENDPOINTS: usize = 32;

/// Connections to one endpoint for one purpose.
const MAX_CONNECTIONS_PER_ENDPOINT: usize = 32;

/// The longest deadline of a call: no caller waits for longer, and much longer ones overflow clocks.
pub(crate) const MAX_CALL_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of a [`Client`](crate::Client). Each method sets one of them and states its default.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientSettings {
    endpoints: Vec<String>,
    connections_per_endpoint: usize,
    connect_timeout: Duration,
    call_deadline: Duration,
    user_agent: Option<String>,
    sizes: MessageSizes,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    tls: Option<TlsSettings>,
    token: Option<TokenSource>,
    hook: Option<RequestHook>,
    retry: RetryPolicy,
}

impl ClientSettings {
    /// Settings for one endpoint, `http://host:port` or `https://host:port`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self::balanced([endpoint])
    }

    /// Settings for several endpoints, 1 to 32: each call uses the one with the fewest calls in flight, and
    /// one that cannot be reached is avoided while others can.
    pub fn balanced(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            connections_per_endpoint: 4,
            connect_timeout: Duration::from_secs(3),
            call_deadline: Duration::from_secs(15),
            user_agent: None,
            sizes: MessageSizes { request: 64 * 1024, reply: 4 * 1024 * 1024 },
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            tls: None,
            token: None,
            hook: None,
            retry: RetryPolicy::default(),
        }
    }

    /// Connections to each endpoint, 1 to 32, opened on first use; watches have as many of their own. Default
    /// 4. A front node serves each connection on one core, so one connection uses one core.
    pub fn connections_per_endpoint(mut self, connections: usize) -> Self {
        self.connections_per_endpoint = connections;
        self
    }

    /// The timeout of connecting, including name lookup and TLS handshake. Default 3 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The deadline of a call, including retries and their delays. Default 15 s: more than the 10 s for which new buyers
    /// wait after the server's store has lost tickets. Each attempt sends its
    /// timeout to the server (`grpc-timeout`), so that the server does not work for an answer that nothing
    /// waits for.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// The name of the caller in the server's logs, such as `shop-bff/3.1`. Default: this library only.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// The maximum size of a request, in bytes. Default 64 KiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.sizes.request = bytes;
        self
    }

    /// The maximum size of a reply, in bytes. Default 4 MiB, enough for the largest page.
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.sizes.reply = bytes;
        self
    }

    /// A connection that is silent for `interval` gets a ping, and is closed if there is no answer within
    /// `timeout`. Default 20 s and 10 s.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keepalive_interval = interval;
        self.keepalive_timeout = timeout;
        self
    }

    /// TLS for `https://` endpoints. Default: the system's root certificates.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends a bearer token from a file, which is read again every 30 s to follow its rotation.
    pub fn bearer_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenSource::File(path.into()));
        self
    }

    /// Sends a bearer token from an environment variable.
    pub fn bearer_token_variable(mut self, name: impl Into<String>) -> Self {
        self.token = Some(TokenSource::Environment(name.into()));
        self
    }

    /// Calls `hook` with the metadata of every attempt before it is sent, for instance to propagate a trace.
    /// It must not block.
    pub fn on_request(mut self, hook: impl Fn(&mut MetadataMap) + Send + Sync + 'static) -> Self {
        self.hook = Some(RequestHook::new(hook));
        self
    }

    /// The bounds on retries.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Validates the settings, reads their files, and returns where to connect.
    pub(crate) fn resolve(self) -> Result<(Vec<Destination>, Parts), ConnectError> {
        if self.endpoints.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        self.warn_about_unencrypted_tokens();
        let destinations =
            self.endpoints.iter().map(|url| self.destination(url)).collect::<Result<_, _>>()?;
        Ok((destinations, self.into_parts()?))
    }

    /// The settings that do not depend on the endpoints.
    pub(crate) fn into_parts(self) -> Result<Parts, ConnectError> {
        self.check_ranges()?;
        self.retry.validate()?;
        let token = self.token.map(Token::load).transpose()?;
        Ok(Parts {
            connections: self.connections_per_endpoint,
            sizes: self.sizes,
            retry: self.retry,
            call_deadline: self.call_deadline,
            metadata: Metadata { token, hook: self.hook },
        })
    }

    fn check_ranges(&self) -> Result<(), ConnectError> {
        let rules = [
            (
                "endpoints",
                self.endpoints.len() <= MAX_ENDPOINTS,
                "at most 32; put a load balancer before more",
            ),
            (
                "connections_per_endpoint",
                (1..=MAX_CONNECTIONS_PER_ENDPOINT).contains(&self.connections_per_endpoint),
                "1 to 32",
            ),
            ("connect_timeout", !self.connect_timeout.is_zero(), "above zero"),
            (
                "call_deadline",
                !self.call_deadline.is_zero() && self.call_deadline <= MAX_CALL_DEADLINE,
                "above zero and at most a day",
            ),
            (
                "keepalive",
                !self.keepalive_interval.is_zero() && !self.keepalive_timeout.is_zero(),
                "above zero",
            ),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((name, _, rule)) => Err(ConnectError::OutOfRange { name, rule }),
            None => Ok(()),
        }
    }

    /// A token that is sent unencrypted can be read by others, unless a lower layer encrypts.
    fn warn_about_unencrypted_tokens(&self) {
        let unencrypted = self.endpoints.iter().filter(|url| is_unencrypted(url));
        for endpoint in unencrypted.filter(|_| self.token.is_some()) {
            tracing::warn!(endpoint, "bearer token is sent unencrypted; use https:// unless a mesh encrypts");
        }
    }

    fn destination(&self, url: &str) -> Result<Destination, ConnectError> {
        let wrong = |problem: String| ConnectError::Endpoint { url: url.to_owned(), problem };
        let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| wrong(explain(&error)))?;
        if endpoint.uri().host().is_none_or(str::is_empty) {
            return Err(wrong("no host".into()));
        }
        if !matches!(endpoint.uri().path(), "" | "/") || endpoint.uri().query().is_some() {
            return Err(wrong("a path is not supported".into()));
        }
        let secure = match (endpoint.uri().scheme_str(), &self.tls) {
            (Some("https"), _) => true,
            (Some("http"), None) => false,
            (Some("http"), Some(_)) => {
                return Err(wrong("TLS settings need https".into()));
            }
            _ => return Err(wrong("unsupported scheme".into())),
        };
        if secure {
            let tls = self.tls.clone().unwrap_or_default().load(self.connect_timeout)?;
            endpoint = endpoint.tls_config(tls).map_err(|error| ConnectError::Tls(explain(&error)))?;
        }
        if let Some(name) = &self.user_agent {
            endpoint = endpoint
                .user_agent(name.as_str())
                .map_err(|_| ConnectError::OutOfRange { name: "user_agent", rule: "printable ASCII" })?;
        }
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            .http2_keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout);
        Ok(Destination { name: url.to_owned(), endpoint, connect_timeout: self.connect_timeout })
    }
}

/// Whether requests to this URL leave the machine unencrypted.
fn is_unencrypted(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && !is_loopback
}

/// The settings of a client once its endpoints are known.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) connections: usize,
    pub(crate) sizes: MessageSizes,
    pub(crate) retry: RetryPolicy,
    pub(crate) call_deadline: Duration,
    pub(crate) metadata: Metadata,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(settings: ClientSettings) -> String {
        settings.resolve().unwrap_err().to_string()
    }

    #[test]
    fn invalid_endpoints_are_refused() {
        for (url, problem_part) in [
            ("", "invalid URI"),
            ("ftp://shop", "unsupported scheme"),
            ("shop:50051", "unsupported scheme"),
            ("http://shop/path", "a path is not supported"),
            ("http://shop/?x", "a path is not supported"),
        ] {
            let message = problem(ClientSettings::new(url));
            assert!(message.contains(problem_part) && message.contains("http://host:port"), "{message}");
        }
    }

    #[test]
    fn tls_needs_https() {
        let settings = ClientSettings::new("http://shop:1").tls(TlsSettings::new());
        assert!(problem(settings).contains("need https"));
    }

    #[test]
    fn only_http_to_other_machines_is_unencrypted() {
        for url in ["http://shop:1", "http://10.0.0.7:1", "http://[2001:db8::1]:1"] {
            assert!(is_unencrypted(url), "{url}");
        }
        for url in
            ["https://shop:1", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "not a url"]
        {
            assert!(!is_unencrypted(url), "{url}");
        }
    }

    #[test]
    fn ranges_are_checked() {
        let settings = || ClientSettings::new("http://shop:1");
        assert!(settings().resolve().is_ok());
        assert!(problem(settings().connections_per_endpoint(0)).contains("1 to 32"));
        assert!(problem(settings().call_deadline(Duration::ZERO)).contains("call_deadline"));
        assert!(problem(ClientSettings::balanced(vec!["http://shop:1"; 33])).contains("load balancer"));
        assert!(problem(settings().user_agent("two\nlines")).contains("printable ASCII"));
    }
}
