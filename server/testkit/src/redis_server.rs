//! Redis servers of a test's own: started in a temporary folder on a free port, gone with the value.

use std::{
    fs::File,
    io,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{FromRedisValue, cmd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::port::free_port;

/// Names another `redis-server` (or `valkey-server`) than the one found in `PATH`.
const BINARY: &str = "INRUSH_TEST_REDIS_SERVER";

/// How long a server may take to answer, on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How often a start is tried on another port: between choosing a free port and using it, somebody else may take it.
const START_ATTEMPTS: usize = 5;

const POLL: Duration = Duration::from_millis(10);

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
        for _ in 0..START_ATTEMPTS {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut server = Self { process: None, folder, port: free_port(), arguments: arguments.clone() };
            if server.try_start().await {
                return server;
            }
        }
        panic!(
            "redis-server ended {START_ATTEMPTS} times at its start; does it know these settings? {arguments:?}"
        );
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process of our own can be killed");
            process.wait().expect("a killed process can be waited for");
        }
    }

    /// Starts the server again on the same port and folder, after [`RedisServer::kill`] or in place of it.
    pub async fn restart(&mut self) {
        self.kill();
        assert!(self.try_start().await, "redis-server ended at its restart on port {}", self.port);
    }

    /// Waits until this server, which was started as a replica, follows its master.
    pub async fn wait_for_master(&self) {
        let started = Instant::now();
        loop {
            let info: String = self.command(&["INFO", "replication"]).await;
            if info.contains("master_link_status:up") {
                return;
            }
            assert!(started.elapsed() < START_LIMIT, "the replica does not find its master: {info}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the process in the midst of what it does, or lets it go on. Its connections stay open.
    pub fn stand_still(&self, still: bool) {
        let signal = if still { Signal::STOP } else { Signal::CONT };
        let process = self.process.as_ref().expect("a server that runs");
        kill_process(Pid::from_child(process), signal).expect("a process of our own can be signalled");
    }

    /// Sends one command over a connection of its own.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, arguments) = words.split_first().expect("a command has a name");
        cmd(name).arg(arguments).query_async(&mut connection).await
    }

    /// False when the server ended instead of answering.
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
        self.process = Some(command.spawn().unwrap_or_else(|error| no_binary(&error)));
        let started = Instant::now();
        loop {
            if self.has_ended() {
                return false;
            }
            if self.try_command::<String>(&["PING"]).await.is_ok_and(|reply| reply == "PONG")
                && !self.has_ended()
            {
                return true;
            }
            assert!(started.elapsed() < START_LIMIT, "redis-server does not answer on port {}", self.port);
            tokio::time::sleep(POLL).await;
        }
    }

    fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)))
    }
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
    /// Starts the nodes, shares the slots among them and waits until all agree that the cluster is whole.
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
        cluster.share_slots().await;
        cluster.wait_until_whole().await;
        cluster
    }

    /// Where clients find it: every node is named, in the form the store's settings take.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The masters.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    async fn share_slots(&self) {
        let share = SLOTS.div_ceil(3);
        for (first, node) in (0..SLOTS).step_by(usize::from(share)).zip(&self.nodes) {
            let last = (first + share).min(SLOTS) - 1;
            node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
        }
    }

    async fn wait_until_whole(&self) {
        let started = Instant::now();
        for node in &self.nodes {
            loop {
                let info: String = node.command(&["CLUSTER", "INFO"]).await;
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") {
                    break;
                }
                assert!(started.elapsed() < START_LIMIT, "the cluster does not become whole: {info}");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// The program that is a server.
pub fn binary() -> PathBuf {
    std::env::var_os(BINARY).map_or_else(|| PathBuf::from("redis-server"), PathBuf::from)
}

fn no_binary(error: &io::Error) -> ! {
    panic!(
        "cannot start {}: {error}; run `make test-tools` to install redis-server, or name one in {BINARY}",
        binary().display()
    )
}
