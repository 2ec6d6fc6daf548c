//! The server, or the cluster, that a URL names.

use std::{fmt, time::Duration};

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::TcpSettings,
};

use super::settings::RedisSettings;
use crate::store::StoreError;

/// How often the cluster client follows a redirection or a reshaped cluster for one command before it gives up.
const CLUSTER_RETRIES: u32 = 4;

/// Longest pause of the cluster client between two of these, in milliseconds: together they stay below a second.
const LONGEST_CLUSTER_PAUSE: u64 = 200;

/// Shortest such pause, in milliseconds.
const SHORTEST_CLUSTER_PAUSE: u64 = 10;

const FORMS: &str = "write redis://[user:password@]host[:port][/database], rediss://… for TLS, unix:///path/to/socket, \
     or redis+cluster://[user:password@]host[:port],host[:port]… for Redis Cluster, with percent-encoded passwords";

/// What a URL names, ready to be connected to.
pub(super) enum Endpoint {
    /// One server.
    Single(Box<Client>),
    /// A cluster, and clients of the nodes that the URL names.
    Cluster {
        /// Knows its way through the cluster.
        client: Box<ClusterClient>,
        /// One client for each named node, for what any node can do.
        nodes: Vec<Client>,
    },
}

impl Endpoint {
    /// Reads the settings; connects to nothing.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when the URL cannot be read. The text repeats nothing of the URL, which may hold a
    /// password.
    pub(super) fn of(settings: &RedisSettings) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = settings.url.split_once("://") else {
            return Err(unreadable(&"it has no scheme"));
        };
        if scheme.starts_with("rediss") || scheme.starts_with("valkeys") {
            choose_tls_provider();
        }
        match scheme.strip_suffix("+cluster") {
            None => Ok(Self::Single(Box::new(client_of(&settings.url, settings)?))),
            Some(node_scheme) => Self::cluster(node_scheme, rest, settings),
        }
    }

    fn cluster(scheme: &str, rest: &str, settings: &RedisSettings) -> Result<Self, StoreError> {
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), rest),
        };
        if hosts.contains(['/', '?', '#']) {
            return Err(unreadable(
                &"a cluster has no databases and no options, only hosts with commas between",
            ));
        }
        let urls: Vec<String> = hosts.split(',').map(|host| format!("{scheme}://{login}{host}")).collect();
        let nodes = urls.iter().map(|url| client_of(url, settings)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(urls)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(SHORTEST_CLUSTER_PAUSE)
            .max_retry_wait(LONGEST_CLUSTER_PAUSE)
            .connection_timeout(settings.connect_timeout)
            .response_timeout(settings.response_timeout)
            .tcp_settings(tcp_settings(settings.response_timeout));
        if let Some(certificates) = certificates(settings) {
            builder = builder.certs(certificates);
        }
        let client = builder.build().map_err(|error| unreadable(&error))?;
        Ok(Self::Cluster { client: Box::new(client), nodes })
    }

    /// Clients of single servers that can tell what is published anywhere in the endpoint.
    pub(super) fn listening_posts(&self) -> &[Client] {
        match self {
            Self::Single(client) => std::slice::from_ref(client.as_ref()),
            Self::Cluster { nodes, .. } => nodes,
        }
    }
}

/// Hosts and ports, without user and password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, client) in self.listening_posts().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", client.get_connection_info().addr())?;
        }
        Ok(())
    }
}

fn client_of(url: &str, settings: &RedisSettings) -> Result<Client, StoreError> {
    let info: ConnectionInfo = url.into_connection_info().map_err(|error| unreadable(&error))?;
    let info = info.set_tcp_settings(tcp_settings(settings.response_timeout));
    let client = match certificates(settings) {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    };
    client.map_err(|error| unreadable(&error))
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    let root_cert = settings.authority.clone()?;
    Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
}

/// A batch is one write and goes out at once; a peer that vanished without a word is noticed.
fn tcp_settings(response_timeout: Duration) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(response_timeout);
    settings
}

/// rustls wants one provider for the process. Whoever was first has chosen, and ours is as good as theirs.
fn choose_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn unreadable(why: &dyn fmt::Display) -> StoreError {
    StoreError::Unsuitable(format!("the Redis URL cannot be read ({why}): {FORMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, StoreError> {
        Endpoint::of(&RedisSettings::new(url))
    }

    #[test]
    fn single_servers_and_clusters_are_read() {
        for (url, shown) in [
            ("redis://cache", "cache:6379"),
            ("redis://u:p@cache:7000/3", "cache:7000"),
            ("rediss://cache:7000", "cache:7000"),
            ("unix:///tmp/redis.sock", "/tmp/redis.sock"),
            ("redis+cluster://a:1,b,[::1]:3", "a:1,b:6379,::1:3"),
            ("rediss+cluster://u:p%2Fq@a:1,b:2", "a:1,b:2"),
        ] {
            match endpoint(url) {
                Ok(endpoint) => assert_eq!(endpoint.to_string(), shown, "{url}"),
                Err(error) => panic!("{url}: {error}"),
            }
        }
        assert!(
            matches!(endpoint("redis+cluster://a:1,b:2"), Ok(Endpoint::Cluster { nodes, .. }) if nodes.len() == 2)
        );
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for url in [
            "hunter2",
            "http://:hunter2@cache",
            "redis://:hunter2@",
            "redis://:hunter2@cache:port",
            "redis://:hunter2@cache/database",
            "redis+cluster://:hunter2@a:1,b:2/3",
            "redis+cluster://:hunter2@",
        ] {
            let error = endpoint(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("write redis://"), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
}
