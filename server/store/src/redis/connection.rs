//! One multiplexed connection that heals itself: lost, it is made anew for the next command.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Cmd, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    command_error::{CommandError, CommandOutcome},
    endpoint::Endpoint,
};

/// Pauses before a command is tried again. A failover takes longer than all of them: that is for the caller to wait for.
const RETRY_BACKOFF: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(150)];

/// For so long after a failed attempt nobody tries to connect: who has waited for the attempt of another is told its
/// outcome instead of waiting for one more.
const CONNECT_BACKOFF: Duration = Duration::from_millis(5);

/// How many replicas have to follow before a change counts as replicated: it then survives the loss of any one server.
const REPLICAS: u64 = 1;

/// Whether a command may be sent again when it is unknown whether the server executed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A second execution changes nothing.
    Idempotent,
    /// A second execution would apply it twice.
    NotIdempotent,
}

/// A connection of one handle of the store.
pub(super) struct Connection {
    endpoint: Arc<Endpoint>,
    name: String,
    config: AsyncConnectionConfig,
    /// How long connecting may take from the first to the last step, in a cluster to all its nodes.
    timeout: Duration,
    slot: Mutex<Slot>,
}

/// The live connection, if any.
#[derive(Default)]
struct Slot {
    live: Option<Live>,
    /// Tells whether the connection that failed is still the one in the slot.
    generation: u64,
    failed: Option<(Instant, CommandError)>,
}

#[derive(Clone)]
enum Live {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Connects with the first command.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(response_timeout));
        let timeout = connect_timeout + response_timeout;
        Self { name: endpoint.to_string(), endpoint, config, timeout, slot: Mutex::default() }
    }

    /// Carries a command out, on the node that has its keys.
    pub(super) async fn run(&self, command: &Cmd, idempotency: Idempotency) -> Result<Value, CommandError> {
        self.run_with_retries(command, idempotency, None).await.map(|(value, _)| value)
    }

    /// Carries a command out and waits, for as long as `timeout`, until a replica has followed. Also tells whether one
    /// has. Commands that come behind it on this connection wait as well.
    pub(super) async fn run_replicated(
        &self,
        command: &Cmd,
        idempotency: Idempotency,
        timeout: Duration,
    ) -> Result<(Value, bool), CommandError> {
        self.run_with_retries(command, idempotency, Some(timeout)).await
    }

    async fn run_with_retries(
        &self,
        command: &Cmd,
        idempotency: Idempotency,
        timeout: Option<Duration>,
    ) -> Result<(Value, bool), CommandError> {
        let mut pauses = RETRY_BACKOFF.iter();
        loop {
            let attempt = match timeout {
                None => self.attempt(command).await.map(|value| (value, false)),
                Some(timeout) => Box::pin(self.attempt_replicated(command, timeout)).await,
            };
            let failure = match attempt {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let again = match failure.outcome {
                CommandOutcome::NotExecuted => true,
                CommandOutcome::MaybeExecuted => idempotency == Idempotency::Idempotent,
                CommandOutcome::ScriptMissing | CommandOutcome::Final => false,
            };
            match pauses.next() {
                Some(&pause) if again => tokio::time::sleep(pause).await,
                _ => return Err(failure),
            }
        }
    }

    /// Asks every master for its answer to a command without keys.
    pub(super) async fn query_masters(&self, command: &Cmd) -> Result<Vec<Value>, CommandError> {
        let (live, generation) = self.live().await?;
        let answer = match live {
            Live::Single(mut connection) => {
                command.query_async(&mut connection).await.map(|value| vec![value])
            }
            Live::Cluster(mut connection) => {
                let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                connection.route_command(command.clone(), masters).await.and_then(answers)
            }
        };
        match answer {
            Ok(values) => Ok(values),
            Err(error) => Err(self.explain(&error, generation).await),
        }
    }

    async fn attempt(&self, command: &Cmd) -> Result<Value, CommandError> {
        let (live, generation) = self.live().await?;
        let answer = match live {
            Live::Single(mut connection) => command.query_async(&mut connection).await,
            Live::Cluster(mut connection) => command.query_async(&mut connection).await,
        };
        match answer {
            Ok(value) => Ok(value),
            Err(error) => Err(self.explain(&error, generation).await),
        }
    }

    /// Both commands go over one connection at once: `WAIT` is about what its own connection has written.
    async fn attempt_replicated(
        &self,
        command: &Cmd,
        timeout: Duration,
    ) -> Result<(Value, bool), CommandError> {
        let mut both = redis::pipe();
        both.add_command(command.clone()).cmd("WAIT").arg(REPLICAS).arg(timeout.as_millis()).ignore_errors();
        let (live, generation) = self.live().await?;
        let answers: RedisResult<(RedisResult<Value>, RedisResult<u64>)> = match live {
            Live::Single(mut connection) => both.query_async(&mut connection).await,
            Live::Cluster(mut connection) => both.query_async(&mut connection).await,
        };
        match answers.and_then(|(answer, followers)| Ok((answer?, followers.unwrap_or_default()))) {
            Ok((value, followers)) => Ok((value, followers >= REPLICAS)),
            Err(error) => Err(self.explain(&error, generation).await),
        }
    }

    /// Explains an error, and takes the connection out of use if it is the cause. The connection to a cluster stays when a
    /// node does not answer: it minds its nodes itself, and others do answer.
    async fn explain(&self, error: &redis::RedisError, generation: u64) -> CommandError {
        let failure = CommandError::from_command(error, &self.name);
        let one_silent_node = error.is_timeout() && matches!(*self.endpoint, Endpoint::Cluster { .. });
        if failure.connection_broken && !one_silent_node {
            let mut slot = self.slot.lock().await;
            if slot.generation == generation {
                slot.live = None;
            }
        }
        failure
    }

    /// The live connection, made if there is none. While one caller connects the others wait for it.
    async fn live(&self) -> Result<(Live, u64), CommandError> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = &slot.live {
            return Ok((live.clone(), slot.generation));
        }
        if let Some((at, failure)) = &slot.failed
            && at.elapsed() < CONNECT_BACKOFF
        {
            return Err(failure.clone());
        }
        let failure = match timeout(self.timeout, self.connect()).await {
            Ok(Ok(live)) => {
                slot.generation += 1;
                slot.failed = None;
                slot.live = Some(live.clone());
                return Ok((live, slot.generation));
            }
            Ok(Err(error)) => CommandError::from_connect(&error, &self.name),
            Err(_) => {
                CommandError::from_connect(&io::Error::from(io::ErrorKind::TimedOut).into(), &self.name)
            }
        };
        slot.failed = Some((Instant::now(), failure.clone()));
        Err(failure)
    }

    async fn connect(&self) -> RedisResult<Live> {
        match self.endpoint.as_ref() {
            Endpoint::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&self.config).await.map(Live::Single)
            }
            Endpoint::Cluster { client, .. } => client.get_async_connection().await.map(Live::Cluster),
            Endpoint::Sentinel { client, .. } => {
                let master = client.lock().await.get_async_connection_with_config(&self.config).await;
                master.map(Live::Single)
            }
        }
    }
}

/// The answers of several nodes, which come as a map from their addresses.
fn answers(value: Value) -> RedisResult<Vec<Value>> {
    match value.extract_error()? {
        Value::Map(pairs) => pairs.into_iter().map(|(_, answer)| answer.extract_error()).collect(),
        answer => Ok(vec![answer]),
    }
}
