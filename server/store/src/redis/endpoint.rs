//! What a Redis URL names: a server, a cluster, or sentinels that name the master.

use std::{fmt, time::Duration};

use inrush_core::store::StoreError;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::TcpSettings,
};
use tokio_util::sync::CancellationToken;

use super::{client::client_with, sentinels::Sentinels, settings::RedisSettings};

/// How often the cluster client follows redirections for one command before it gives up.
const CLUSTER_RETRIES: u32 = 4;

/// Longest wait of the cluster client before each of these retries, in milliseconds: together less than a second.
const MAX_CLUSTER_BACKOFF_MS: u64 = 200;

/// Shortest such wait, in milliseconds.
const MIN_CLUSTER_BACKOFF_MS: u64 = 10;

/// The default port of sentinels.
const SENTINEL_PORT: u16 = 26_379;

const FORMS: &str = "write redis://[user:password@]host[:port][/database], rediss://… for TLS, unix:///path/to/socket, \
     redis+cluster://[user:password@]host[:port],host[:port]… for Redis Cluster, or \
     redis+sentinel://[user:password@]host[:port],host[:port]…/master-name[/database] for Redis Sentinel, with \
     percent-encoded passwords";

/// What a URL names, ready to be connected to.
pub(super) enum Endpoint {
    /// One server.
    Single(Box<Client>),
    /// A cluster, and clients of the nodes that the URL names.
    Cluster {
        /// Routes commands to the nodes.
        client: Box<ClusterClient>,
        /// One client for each named node, for commands that any node can run.
        nodes: Vec<Client>,
    },
    /// The master that sentinels name.
    Sentinel(Box<Sentinels>),
}

/// A client for the subscription to events.
pub(super) struct Subscriber {
    /// A server that receives everything published at the endpoint.
    pub(super) client: Client,
    /// Cancelled once another server takes its place.
    pub(super) retired: CancellationToken,
}

impl Endpoint {
    /// Parses the URL; does not connect.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] for an invalid URL. The text contains nothing of the URL, which may have a password.
    pub(super) fn of(settings: &RedisSettings) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = settings.url.split_once("://") else {
            return Err(unreadable(&"it has no scheme"));
        };
        if scheme.starts_with("rediss") || scheme.starts_with("valkeys") {
            choose_tls_provider();
        }
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), rest),
        };
        match scheme.split_once('+') {
            Some((scheme, "cluster")) => Self::cluster(scheme, &login, hosts, settings),
            Some((scheme, "sentinel")) => Self::sentinel(scheme, &login, hosts, settings),
            _ => Ok(Self::Single(Box::new(client_of(&settings.url, settings)?))),
        }
    }

    fn cluster(scheme: &str, login: &str, hosts: &str, settings: &RedisSettings) -> Result<Self, StoreError> {
        if hosts.contains(['/', '?', '#']) {
            return Err(unreadable(
                &"a cluster has no databases and no options, only hosts separated by commas",
            ));
        }
        let urls: Vec<String> = hosts.split(',').map(|host| format!("{scheme}://{login}{host}")).collect();
        let nodes = urls.iter().map(|url| client_of(url, settings)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(urls)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(MIN_CLUSTER_BACKOFF_MS)
            .max_retry_wait(MAX_CLUSTER_BACKOFF_MS)
            .connection_timeout(settings.connect_timeout)
            .response_timeout(settings.response_timeout)
            .tcp_settings(tcp_settings(settings.response_timeout));
        if let Some(certificates) = certificates(settings) {
            builder = builder.certs(certificates);
        }
        let client = builder.build().map_err(|error| unreadable(&error))?;
        Ok(Self::Cluster { client: Box::new(client), nodes })
    }

    /// User and password are those of the master; sentinels are queried without.
    fn sentinel(scheme: &str, login: &str, rest: &str, settings: &RedisSettings) -> Result<Self, StoreError> {
        let mut parts = rest.splitn(3, '/');
        let hosts = parts.next().unwrap_or_default();
        let Some(master) = parts.next().filter(|master| !master.is_empty()) else {
            return Err(unreadable(&"it has no master name"));
        };
        let sentinels =
            hosts.split(',').map(|host| sentinel_address(scheme, host)).collect::<Result<Vec<_>, _>>()?;
        let database = parts.next().unwrap_or_default();
        let template = connection_info(&format!("{scheme}://{login}master/{database}"))?
            .set_tcp_settings(tcp_settings(settings.response_timeout));
        let clients = sentinels
            .into_iter()
            .map(|address| {
                let info = address.into_connection_info()?;
                client_with(
                    info.set_tcp_settings(tcp_settings(settings.response_timeout)),
                    certificates(settings),
                )
            })
            .collect::<RedisResult<Vec<_>>>()
            .map_err(|error| unreadable(&error))?;
        Ok(Self::Sentinel(Box::new(Sentinels::new(
            clients,
            master,
            template,
            certificates(settings),
            settings,
        ))))
    }

    /// Starts what the endpoint needs in the background, on the runtime at hand.
    pub(super) fn start(&self) {
        if let Self::Sentinel(sentinels) = self {
            sentinels.follow();
        }
    }

    /// A server that receives everything published at the endpoint. In a cluster any node does; `turn` selects one.
    pub(super) async fn subscriber(&self, turn: usize) -> RedisResult<Subscriber> {
        let client = match self {
            Self::Single(client) => client.as_ref().clone(),
            Self::Cluster { nodes, client: _ } => {
                let node = nodes.get(turn % nodes.len().max(1)).cloned();
                node.ok_or((redis::ErrorKind::InvalidClientConfig, "the cluster has no nodes"))?
            }
            Self::Sentinel(sentinels) => {
                let master = sentinels.master().await?;
                return Ok(Subscriber { client: sentinels.client_of(&master)?, retired: master.retired });
            }
        };
        Ok(Subscriber { client, retired: CancellationToken::new() })
    }
}

/// Hosts and ports, without user and password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(client) => client.get_connection_info().addr().fmt(f),
            Self::Cluster { nodes, .. } => {
                let names: Vec<String> =
                    nodes.iter().map(|node| node.get_connection_info().addr().to_string()).collect();
                f.write_str(&names.join(","))
            }
            Self::Sentinel(sentinels) => sentinels.fmt(f),
        }
    }
}

fn sentinel_address(scheme: &str, host: &str) -> Result<ConnectionAddr, StoreError> {
    let given = connection_info(&format!("{scheme}://{host}"))?.addr().clone();
    if host.ends_with(':') || host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        return Ok(given);
    }
    Ok(match given {
        ConnectionAddr::Tcp(host, _) => ConnectionAddr::Tcp(host, SENTINEL_PORT),
        ConnectionAddr::TcpTls { host, insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port: SENTINEL_PORT, insecure, tls_params }
        }
        other => other,
    })
}

fn connection_info(url: &str) -> Result<ConnectionInfo, StoreError> {
    url.into_connection_info().map_err(|error| unreadable(&error))
}

fn client_of(url: &str, settings: &RedisSettings) -> Result<Client, StoreError> {
    let info = connection_info(url)?.set_tcp_settings(tcp_settings(settings.response_timeout));
    client_with(info, certificates(settings)).map_err(|error| unreadable(&error))
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    let root_cert = settings.authority.clone()?;
    Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
}

/// A batch is one write and is sent immediately; a peer that has vanished is detected by a timeout.
fn tcp_settings(response_timeout: Duration) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(response_timeout);
    settings
}

/// rustls needs one provider for the process. If another part has installed one already, that one stays.
fn choose_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn unreadable(why: &dyn fmt::Display) -> StoreError {
    StoreError::Unsuitable(format!("invalid Redis URL ({why}): {FORMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, StoreError> {
        Endpoint::of(&RedisSettings::new(url))
    }

    #[test]
    fn urls_of_servers_clusters_and_sentinels_are_parsed() {
        for (url, shown) in [
            ("redis://cache", "cache:6379"),
            ("redis://u:p@cache:7000/3", "cache:7000"),
            ("rediss://cache:7000", "cache:7000"),
            ("unix:///tmp/redis.sock", "/tmp/redis.sock"),
            ("redis+cluster://a:1,b,[::1]:3", "a:1,b:6379,::1:3"),
            ("rediss+cluster://u:p%2Fq@a:1,b:2", "a:1,b:2"),
            ("redis+sentinel://u:p@a,b:1/main/2", "a:26379,b:1/main"),
            ("rediss+sentinel://a/main", "a:26379/main"),
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
    fn an_invalid_url_is_an_error_that_does_not_contain_it() {
        for url in [
            "hunter2",
            "http://:hunter2@cache",
            "redis://:hunter2@",
            "redis://:hunter2@cache:port",
            "redis://:hunter2@cache/database",
            "redis+cluster://:hunter2@a:1,b:2/3",
            "redis+cluster://:hunter2@",
            "redis+sentinel://:hunter2@a:1",
            "redis+sentinel://:hunter2@a:1/main/database",
            "redis+nothing://:hunter2@a:1",
        ] {
            let error = endpoint(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("write redis://"), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
}
