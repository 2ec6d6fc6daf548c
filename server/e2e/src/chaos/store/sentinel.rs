//! A primary, two replicas, and three sentinels.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::ensure;
use inrush_testkit::{
    port::free_port,
    redis_server::{binary, connect},
};
use redis::{FromRedisValue, cmd};
use tokio::time::timeout;

use super::{DOWN_AFTER, eventually, node::Node};

/// The name under which the sentinels watch the primary.
pub(super) const MASTER_NAME: &str = "main";

const SENTINELS: u8 = 3;
const REPLICAS: usize = 2;

/// How long a sentinel may take to answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// One sentinel.
pub(super) struct Sentinel {
    process: Child,
    port: u16,
}

pub(super) async fn start(folder: &Path) -> anyhow::Result<(Vec<Node>, Vec<Sentinel>)> {
    let mut nodes = vec![Node::start("redis-1", folder, &[]).await?];
    let replica_of = format!("127.0.0.1 {}", nodes[0].port());
    for index in 0..REPLICAS {
        let name = format!("redis-{}", index + 2);
        nodes.push(Node::start(&name, folder, &[("replicaof", replica_of.clone())]).await?);
    }
    let sentinels = (1..=SENTINELS)
        .map(|number| Sentinel::start(folder, number, nodes[0].port()))
        .collect::<Result<_, _>>()?;
    Ok((nodes, sentinels))
}

/// Waits until all sentinels name one primary, know one another and the replicas, and the replicas have what the primary
/// has.
pub(super) async fn wait_until_safe(nodes: &[Node], sentinels: &[Sentinel]) -> anyhow::Result<()> {
    eventually("a failover is not safe", || async {
        let mut named = Vec::new();
        for sentinel in sentinels {
            named.extend(sentinel.master_port().await);
            let known: String = sentinel.command(&["INFO", "sentinel"]).await?;
            let all = format!("status=ok,address=127.0.0.1:{}", named.last().copied().unwrap_or_default());
            let counts = format!("slaves={REPLICAS},sentinels={SENTINELS}");
            ensure!(known.contains(&all) && known.contains(&counts), "a sentinel knows {known}");
        }
        named.dedup();
        ensure!(named.len() == 1, "the sentinels name {named:?}");
        let primaries: Vec<&Node> = nodes.iter().filter(|node| node.port() == named[0]).collect();
        let [primary] = primaries[..] else { anyhow::bail!("the primary is {named:?}") };
        for node in nodes {
            let expected = if node.port() == named[0] { "role:master" } else { "master_link_status:up" };
            let info = node.replication().await?;
            ensure!(info.contains(expected), "{}: {info}", node.name());
        }
        let all: usize = primary.command(&["WAIT", &REPLICAS.to_string(), "100"]).await?;
        ensure!(all == REPLICAS, "{all} replicas have everything");
        Ok(())
    })
    .await
}

/// Makes servers replicas that still take themselves for the primary. The sentinels do it too, after some ten seconds.
pub(super) async fn demote_old_primaries(nodes: &[Node], sentinels: &[Sentinel]) -> anyhow::Result<()> {
    let mut named = Vec::new();
    for sentinel in sentinels {
        named.extend(sentinel.master_port().await);
    }
    named.dedup();
    // While they do not agree a failover is under way, which they finish.
    let [primary] = named[..] else { return Ok(()) };
    let Some(node) = nodes.iter().find(|node| node.port() == primary) else { return Ok(()) };
    if !node.is_primary().await {
        return Ok(());
    }
    for node in nodes.iter().filter(|node| node.port() != primary) {
        if node.is_primary().await {
            node.command::<()>(&["REPLICAOF", "127.0.0.1", &primary.to_string()]).await?;
        }
    }
    Ok(())
}

impl Sentinel {
    /// A sentinel writes its state into its configuration file.
    fn start(folder: &Path, number: u8, master: u16) -> anyhow::Result<Self> {
        let folder: PathBuf = folder.join(format!("sentinel-{number}"));
        fs::create_dir(&folder)?;
        let port = free_port();
        let (config, quorum) = (folder.join("sentinel.conf"), SENTINELS / 2 + 1);
        let lines = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor {MASTER_NAME} 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds {MASTER_NAME} {}\nsentinel failover-timeout {MASTER_NAME} 5000\n",
            DOWN_AFTER.as_millis()
        );
        fs::write(&config, lines)?;
        let mut command = Command::new(binary());
        command.arg(&config).arg("--sentinel").current_dir(&folder);
        command.stdin(Stdio::null()).stdout(fs::File::create(folder.join("log"))?).stderr(Stdio::null());
        Ok(Self { process: command.spawn()?, port })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The port of the primary that it names.
    pub(super) async fn master_port(&self) -> Option<u16> {
        let address: Vec<String> =
            self.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME]).await.ok()?;
        address.get(1)?.parse().ok()
    }

    /// Orders a failover. False if it refuses.
    pub(super) async fn fail_over(&self) -> bool {
        self.command::<String>(&["SENTINEL", "FAILOVER", MASTER_NAME]).await.is_ok()
    }

    async fn command<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        let command = async {
            let mut connection = connect(("127.0.0.1", self.port)).await?;
            cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
        };
        let reply: redis::RedisResult<T> = timeout(COMMAND_TIMEOUT, command).await?;
        Ok(reply?)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // Both fail if the process has exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
