//! How a client connects and how long it waits.

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

/// Most endpoints of one client. Each call looks at all of them, and each keeps connections open; behind more
/// front nodes than this belongs a load balancer.
const MAX_ENDPOINTS: usize = 32;

/// Most connections to one endpoint for one purpose.
const MAX_CONNECTIONS_PER_ENDPOINT: usize = 32;

/// Longest deadline of a call. Nobody waits a day for an answer, and far longer ones overflow clocks.
pub(crate) const MAX_CALL_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything about a [`Client`](crate::Client) that can be chosen. Each method sets one thing and says what it
/// is otherwise.
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

    /// Settings for several endpoints, 1 to 32: each call takes the one that has least to do, and one that
    /// cannot be reached is passed over while others can.
    pub fn balanced(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            connections_per_endpoint: 4,
            connect_timeout: Duration::from_secs(3),
            call_deadline: Duration::from_secs(10),
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

    /// Connections to each endpoint, 1 to 32, opened when first needed; watches have as many again for
    /// themselves. Otherwise 4. A front node serves each connection on one core, so one connection uses one.
    pub fn connections_per_endpoint(mut self, connections: usize) -> Self {
        self.connections_per_endpoint = connections;
        self
    }

    /// How long a connection may take, name lookup and TLS handshake included. Otherwise 3 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take in all, retries and waits included. Otherwise 10 s. Each attempt tells the
    /// server how long it will wait (`grpc-timeout`), so that nobody works for an answer that nobody awaits.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// Who calls, for the server's logs, such as `shop-bff/3.1`. Otherwise only this library is named.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Largest request, in bytes. Otherwise 64 KiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.sizes.request = bytes;
        self
    }

    /// Largest reply, in bytes. Otherwise 4 MiB, which holds the largest page there is.
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.sizes.reply = bytes;
        self
    }

    /// A connection that is silent for `interval` is asked for a sign of life and given up when none comes
    /// within `timeout`. Otherwise 20 s and 10 s.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keepalive_interval = interval;
        self.keepalive_timeout = timeout;
        self
    }

    /// TLS for `https://` endpoints. Otherwise what the system trusts is trusted.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends a bearer token from a file, which is read again every 30 s so that rotation is followed.
    pub fn bearer_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenSource::File(path.into()));
        self
    }

    /// Sends a bearer token from an environment variable.
    pub fn bearer_token_variable(mut self, name: impl Into<String>) -> Self {
        self.token = Some(TokenSource::Environment(name.into()));
        self
    }

    /// Calls `hook` with the metadata of every attempt before it is sent, for instance to pass a trace on. It
    /// must not block.
    pub fn on_request(mut self, hook: impl Fn(&mut MetadataMap) + Send + Sync + 'static) -> Self {
        self.hook = Some(RequestHook::new(hook));
        self
    }

    /// The bounds on trying again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Checks the settings, reads the files that they name, and says where to connect.
    pub(crate) fn resolve(self) -> Result<(Vec<Destination>, Parts), ConnectError> {
        if self.endpoints.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        self.warn_about_unencrypted_tokens();
        let destinations =
            self.endpoints.iter().map(|url| self.destination(url)).collect::<Result<_, _>>()?;
        Ok((destinations, self.into_parts()?))
    }

    /// What does not depend on where to connect.
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

    /// A token that travels in the open is as good as published, unless something below encrypts.
    fn warn_about_unencrypted_tokens(&self) {
        let unencrypted = self.endpoints.iter().filter(|url| is_unencrypted(url));
        for endpoint in unencrypted.filter(|_| self.token.is_some()) {
            tracing::warn!(
                endpoint,
                "the bearer token is sent unencrypted; use https:// unless a mesh encrypts"
            );
        }
    }

    fn destination(&self, url: &str) -> Result<Destination, ConnectError> {
        let wrong = |problem: String| ConnectError::Endpoint { url: url.to_owned(), problem };
        let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| wrong(explain(&error)))?;
        if endpoint.uri().host().is_none_or(str::is_empty) {
            return Err(wrong("it names no host".into()));
        }
        if !matches!(endpoint.uri().path(), "" | "/") || endpoint.uri().query().is_some() {
            return Err(wrong("it has a path, and gRPC has no place for one".into()));
        }
        let secure = match (endpoint.uri().scheme_str(), &self.tls) {
            (Some("https"), _) => true,
            (Some("http"), None) => false,
            (Some("http"), Some(_)) => {
                return Err(wrong("there are TLS settings, but it is not https".into()));
            }
            _ => return Err(wrong("it is neither http nor https".into())),
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

/// The settings that a client works with once it knows where to connect.
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
    fn endpoints_must_be_usable() {
        for (url, problem_part) in [
            ("", "invalid URI"),
            ("ftp://shop", "neither http nor https"),
            ("shop:50051", "neither http nor https"),
            ("http://shop/path", "it has a path"),
            ("http://shop/?x", "it has a path"),
        ] {
            let message = problem(ClientSettings::new(url));
            assert!(message.contains(problem_part) && message.contains("http://host:port"), "{message}");
        }
    }

    #[test]
    fn tls_needs_https() {
        let settings = ClientSettings::new("http://shop:1").tls(TlsSettings::new());
        assert!(problem(settings).contains("not https"));
    }

    #[test]
    fn only_what_leaves_the_machine_unencrypted_is_in_the_open() {
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
