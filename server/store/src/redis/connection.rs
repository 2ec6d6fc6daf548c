//! One connection to Redis: to a server, to the master that sentinels name, or to all nodes of a cluster.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    command_error::CommandError,
    endpoint::Endpoint,
    sentinels::{Master, Sentinels},
    settings::RedisSettings,
};

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    endpoint: Arc<Endpoint>,
    name: Arc<str>,
    config: AsyncConnectionConfig,
    /// For connecting from the first to the last step, in a cluster to all its nodes.
    connect_timeout: Duration,
}

impl Connector {
    pub(super) fn new(endpoint: Arc<Endpoint>, settings: &RedisSettings) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(settings.response_timeout));
        let connect_timeout = settings.connect_timeout + settings.response_timeout;
        Self { name: endpoint.to_string().into(), endpoint, config, connect_timeout }
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, CommandError> {
        match timeout(self.connect_timeout, self.connect_to_endpoint()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(CommandError::from_connect(&error, &self.name)),
            Err(_) => {
                let timed_out = io::Error::from(io::ErrorKind::TimedOut).into();
                Err(CommandError::from_connect(&timed_out, &self.name))
            }
        }
    }

    async fn connect_to_endpoint(&self) -> RedisResult<Connection> {
        match self.endpoint.as_ref() {
            Endpoint::Single(client) => client
                .get_multiplexed_async_connection_with_config(&self.config)
                .await
                .map(Connection::Single),
            Endpoint::Cluster { client, .. } => client.get_async_connection().await.map(Connection::Cluster),
            Endpoint::Sentinel(sentinels) => self.connect_to_master(sentinels).await,
        }
    }

    /// Connects to the master, and to the next one if a failover comes in between: a server that is gone may not refuse
    /// a connection, but let it time out.
    async fn connect_to_master(&self, sentinels: &Sentinels) -> RedisResult<Connection> {
        loop {
            let master = sentinels.master().await?;
            let connected = async {
                let client = sentinels.client_of(&master)?;
                let mut connection =
                    client.get_multiplexed_async_connection_with_config(&self.config).await?;
                check_is_master(&mut connection).await?;
                Ok(connection)
            };
            match until_retired(&master.retired, connected).await {
                Ok(connection) => {
                    let Master { retired, replicas, .. } = master;
                    return Ok(Connection::Master { connection, retired, replicas });
                }
                Err(_) if master.retired.is_cancelled() => {}
                Err(error) => {
                    sentinels.ask();
                    return Err(error);
                }
            }
        }
    }

    /// The error of a command. The connection to a cluster is not broken when one node times out: it reconnects to its
    /// nodes by itself, and the others do answer.
    pub(super) fn command_error(&self, error: &RedisError) -> CommandError {
        let mut command_error = CommandError::from_command(error, &self.name);
        if error.is_timeout() && matches!(*self.endpoint, Endpoint::Cluster { .. }) {
            command_error.connection_broken = false;
        }
        if let Endpoint::Sentinel(sentinels) = self.endpoint.as_ref()
            && command_error.may_be_a_failover()
        {
            sentinels.ask();
        }
        command_error
    }

    /// Hosts and ports, without user and password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
    /// To the master that sentinels name, until they name another one.
    Master {
        connection: MultiplexedConnection,
        retired: CancellationToken,
        /// How many replicas the sentinels could promote.
        replicas: Arc<AtomicU64>,
    },
}

impl Connection {
    /// Whether it leads to a server that is not the master any more.
    pub(super) fn is_retired(&self) -> bool {
        match self {
            Self::Single(_) | Self::Cluster(_) => false,
            Self::Master { retired, .. } => retired.is_cancelled(),
        }
    }

    /// Runs a command, on the node that has its keys.
    pub(super) async fn run(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
            Self::Master { connection, retired, .. } => {
                until_retired(retired, command.query_async(connection)).await
            }
        }
    }

    /// Runs a command and waits up to `wait_timeout` for `replicas`. Returns also whether so many have acknowledged it. Both
    /// commands are sent together over one connection: `WAIT` is about what its own connection has written. Commands
    /// behind them on this connection wait as well.
    pub(super) async fn run_replicated(
        &mut self,
        command: &Cmd,
        replicas: u64,
        wait_timeout: Duration,
    ) -> RedisResult<(Value, bool)> {
        let mut both = redis::pipe();
        let wait_millis = wait_timeout.as_millis();
        both.add_command(command.clone()).cmd("WAIT").arg(replicas).arg(wait_millis).ignore_errors();
        let (answer, acknowledged): (RedisResult<Value>, RedisResult<u64>) = match self {
            Self::Single(connection) => both.query_async(connection).await?,
            Self::Cluster(connection) => both.query_async(connection).await?,
            Self::Master { connection, retired, .. } => {
                until_retired(retired, both.query_async(connection)).await?
            }
        };
        Ok((answer?, acknowledged.unwrap_or_default() >= replicas))
    }

    /// Runs a command without keys on every master.
    pub(super) async fn query_masters(&mut self, command: &Cmd) -> RedisResult<Vec<Value>> {
        match self {
            Self::Single(_) | Self::Master { .. } => self.run(command).await.map(|value| vec![value]),
            Self::Cluster(connection) => {
                let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                connection.route_command(command.clone(), masters).await.and_then(answers)
            }
        }
    }
}

/// What an old master acknowledges after a failover will be lost, so its late answers do not count.
async fn until_retired<T>(
    retired: &CancellationToken,
    command: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    tokio::select! {
        biased;
        () = retired.cancelled() => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "a failover replaced the master").into())
        }
        result = command => result,
    }
}

/// Sentinels name a master for some seconds after it has become a replica.
async fn check_is_master(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let info: String = redis::cmd("INFO").arg("replication").query_async(connection).await?;
    if info.lines().any(|line| line == "role:master") {
        return Ok(());
    }
    Err((ErrorKind::MasterNameNotFoundBySentinel, "the server that the sentinels name is a replica now")
        .into())
}

/// The answers of several nodes, which come as a map from their addresses.
fn answers(value: Value) -> RedisResult<Vec<Value>> {
    match value.extract_error()? {
        Value::Map(pairs) => pairs.into_iter().map(|(_, answer)| answer.extract_error()).collect(),
        answer => Ok(vec![answer]),
    }
}
