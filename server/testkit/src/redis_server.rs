//! Redis servers for tests: each in a temporary folder and on a free port, stopped when its value is dropped.

use std::{
    fs::File,
    io,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, FromRedisValue, IntoConnectionInfo, aio::MultiplexedConnection, cmd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::port::free_port;

/// Variable with the path of another `redis-server` (or `valkey-server`) than the one found in `PATH`.
const BINARY: &str = "INRUSH_TEST_REDIS_SERVER";

/// How long a server may take to respond, on a machine that is busy with other tests.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A start is retried on another port, because another process may take the free port before the server does.
const MAX_START_ATTEMPTS: usize = 5;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Hash slots of a Redis Cluster.
const SLOTS: u16 = 16_384;

/// One Redis server.
pub struct RedisServer {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server that keeps everything in memory.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with lines of configuration of its own, for example `("appendonly", "yes")`.
    pub async fn start_with(config: &[(&str, &str)]) -> Self {
        let arguments: Vec<String> =
            config.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect();
        for _ in 0..MAX_START_ATTEMPTS {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut server = Self { process: None, folder, port: free_port(), arguments: arguments.clone() };
            if server.try_start().await {
                return server;
            }
        }
        panic!("redis-server exited at {MAX_START_ATTEMPTS} starts with these settings: {arguments:?}");
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a killed child can be waited for");
        }
    }

    /// Kills the server if it runs, and starts it on the same port and folder.
    pub async fn restart(&mut self) {
        self.kill();
        assert!(self.try_start().await, "redis-server exited at its restart on port {}", self.port);
    }

    /// Waits until this replica is connected to its master.
    pub async fn wait_for_master(&self) {
        let started = Instant::now();
        loop {
            let info: String = self.command(&["INFO", "replication"]).await;
            if info.contains("master_link_status:up") {
                return;
            }
            assert!(started.elapsed() < START_TIMEOUT, "the replica does not connect to its master: {info}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// SIGSTOP: the process is suspended, and its connections stay open.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("a running server");
        kill_process(Pid::from_child(process), signal).expect("a child can be signalled");
    }

    /// Sends one command over a new connection.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let (name, arguments) = words.split_first().expect("a command has a name");
        cmd(name).arg(arguments).query_async(&mut self.connect().await?).await
    }

    /// Sends several commands over one connection; the replies do not matter.
    pub async fn commands(&self, commands: impl IntoIterator<Item = Vec<String>>) {
        let mut pipeline = redis::pipe();
        for words in commands {
            let (name, arguments) = words.split_first().expect("a command has a name");
            pipeline.cmd(name).arg(arguments).ignore();
        }
        if pipeline.is_empty() {
            return;
        }
        let mut connection = self.connect().await.expect("the server responds");
        pipeline.query_async::<()>(&mut connection).await.expect("the commands succeed");
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        connect(self.url()).await
    }

    /// Whether the server responds. False if it exits instead.
    async fn try_start(&mut self) -> bool {
        let log = File::create(self.folder.path().join("log")).expect("a file in our own folder");
        let mut command = Command::new(binary());
        command
            .current_dir(self.folder.path())
            .args(&self.arguments)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file of our own"))
            .stdout(log);
        self.process = Some(command.spawn().unwrap_or_else(|error| missing_binary(&error)));
        let started = Instant::now();
        loop {
            if self.has_exited() {
                return false;
            }
            if self.try_command::<String>(&["PING"]).await.is_ok_and(|reply| reply == "PONG")
                && !self.has_exited()
            {
                return true;
            }
            assert!(started.elapsed() < START_TIMEOUT, "redis-server does not respond on port {}", self.port);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn has_exited(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)))
    }
}

/// A connection that waits for slow replies: machines that run tests are busy. The library's own limit is half a second.
///
/// # Errors
/// If the server does not answer within 30 s.
pub async fn connect(server: impl IntoConnectionInfo) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(START_TIMEOUT))
        .set_response_timeout(Some(START_TIMEOUT));
    redis::Client::open(server)?.get_multiplexed_async_connection_with_config(&config).await
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Redis Cluster of three masters without replicas.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes, distributes the slots among them and waits until all nodes report the cluster as ok.
    pub async fn start() -> Self {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let bus = free_port().to_string();
            nodes.push(RedisServer::start_with(&[("cluster-enabled", "yes"), ("cluster-port", &bus)]).await);
            buses.push(bus);
            let port = nodes[0].port().to_string();
            let node = nodes.last().expect("just pushed");
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &nodes.len().to_string()]).await;
            if nodes.len() > 1 {
                node.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[0]]).await;
            }
        }
        let cluster = Self { nodes };
        cluster.distribute_slots().await;
        cluster.wait_until_ok().await;
        cluster
    }

    /// The URL of all nodes, in the form that `store.url` takes.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The masters.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    async fn distribute_slots(&self) {
        let share = SLOTS.div_ceil(3);
        for (first, node) in (0..SLOTS).step_by(usize::from(share)).zip(&self.nodes) {
            let last = (first + share).min(SLOTS) - 1;
            node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
        }
    }

    async fn wait_until_ok(&self) {
        let started = Instant::now();
        for node in &self.nodes {
            loop {
                let info: String = node.command(&["CLUSTER", "INFO"]).await;
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") {
                    break;
                }
                assert!(started.elapsed() < START_TIMEOUT, "the cluster does not become ok: {info}");
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

/// The server program.
pub fn binary() -> PathBuf {
    std::env::var_os(BINARY).map_or_else(|| PathBuf::from("redis-server"), PathBuf::from)
}

fn missing_binary(error: &io::Error) -> ! {
    panic!(
        "cannot start {}: {error}; run `make test-tools` to install redis-server, or name one in {BINARY}",
        binary().display()
    )
}
