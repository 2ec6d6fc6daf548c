//! Redis in the three setups, each server behind a proxy of its own and with a clock of its own.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use inrush_simulation::history::Level;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::sleep;

use self::{node::Node, sentinel::Sentinel};

mod cluster;
pub mod node;
mod sentinel;

/// How long a step of a set-up, or a failover, may take on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(25);

/// Sentinels, and nodes of a cluster, take a server that does not answer for so long for lost.
const DOWN_AFTER: Duration = Duration::from_millis(1_500);

/// How Redis is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setup {
    /// One server.
    Single,
    /// A primary with two replicas, and three sentinels.
    Sentinel,
    /// Three masters with a replica each.
    Cluster,
}

impl Setup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Single, Self::Sentinel, Self::Cluster];

    /// Its name, on the command line and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

/// The servers of a setup.
pub struct Store {
    setup: Setup,
    nodes: Vec<Node>,
    sentinels: Vec<Sentinel>,
    _folder: TempDir,
}

impl Store {
    /// Starts the servers and waits until a failover would lose nothing.
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (nodes, sentinels) = match setup {
            Setup::Single => (vec![Node::start("redis-1", folder.path(), &[]).await?], Vec::new()),
            Setup::Sentinel => sentinel::start(folder.path()).await?,
            Setup::Cluster => (cluster::start(folder.path()).await?, Vec::new()),
        };
        let store = Self { setup, nodes, sentinels, _folder: folder };
        store.wait_until_safe().await?;
        Ok(store)
    }

    /// Where Inrush finds the store.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts = |ports: Vec<u16>| {
            let hosts: Vec<String> = ports.into_iter().map(|port| format!("127.0.0.1:{port}")).collect();
            hosts.join(",")
        };
        let nodes = || hosts(self.nodes.iter().map(Node::port).collect());
        match self.setup {
            Setup::Single => format!("redis://{}", nodes()),
            Setup::Sentinel => {
                let sentinels = self.sentinels.iter().map(Sentinel::port).collect();
                format!("redis+sentinel://{}/{}", hosts(sentinels), sentinel::MASTER_NAME)
            }
            Setup::Cluster => format!("redis+cluster://{}", nodes()),
        }
    }

    /// The servers.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One of the servers.
    pub fn node_mut(&mut self, index: usize) -> anyhow::Result<&mut Node> {
        self.nodes.get_mut(index).context("a server of this setup")
    }

    /// Makes acknowledged writes as durable as the level needs.
    pub async fn set_level(&self, level: Level) -> anyhow::Result<()> {
        let policy = if level == Level::Fsync { "always" } else { "everysec" };
        for node in &self.nodes {
            node.command::<()>(&["CONFIG", "SET", "appendfsync", policy]).await?;
        }
        Ok(())
    }

    /// The server that a sale is on now, if one is the primary of it.
    pub async fn primary_of(&self, sale: &str) -> Option<usize> {
        for (index, node) in self.nodes.iter().enumerate() {
            if node.is_running() && self.is_primary_of(node, sale).await {
                return Some(index);
            }
        }
        None
    }

    async fn is_primary_of(&self, node: &Node, sale: &str) -> bool {
        match self.setup {
            Setup::Single => true,
            Setup::Sentinel => {
                // An old primary may still take itself for one: the sentinels decide.
                let mut named = None;
                for sentinel in &self.sentinels {
                    named = named.or(sentinel.master_port().await);
                }
                named == Some(node.port())
            }
            Setup::Cluster => cluster::is_master_of(node, sale).await.unwrap_or(false),
        }
    }

    /// Orders a failover of the primary of a sale, as an operator does. False if it cannot be ordered now.
    pub async fn fail_over(&self, sale: &str) -> anyhow::Result<bool> {
        match self.setup {
            Setup::Single => bail!("one server has nothing to fail over to"),
            Setup::Sentinel => {
                for sentinel in &self.sentinels {
                    if sentinel.fail_over().await {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Setup::Cluster => {
                let Some(primary) = self.primary_of(sale).await else { return Ok(false) };
                cluster::fail_over(&self.nodes, primary).await
            }
        }
    }

    /// Starts what is not running, lets all traffic pass, sets everything back that faults have changed, and waits until
    /// every replica has what its primary has.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.heal().await?;
        }
        if self.setup == Setup::Sentinel {
            sentinel::demote_old_primaries(&self.nodes, &self.sentinels).await?;
        }
        self.wait_until_safe().await
    }

    /// Empties the store for the next run.
    pub async fn clear(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            if node.is_primary().await {
                node.command::<()>(&["FLUSHALL"]).await?;
            }
        }
        self.wait_until_safe().await
    }

    /// Waits until a failover would lose nothing.
    async fn wait_until_safe(&self) -> anyhow::Result<()> {
        match self.setup {
            Setup::Single => Ok(()),
            Setup::Sentinel => sentinel::wait_until_safe(&self.nodes, &self.sentinels).await,
            Setup::Cluster => cluster::wait_until_safe(&self.nodes).await,
        }
    }
}

/// Repeats a step until it succeeds, and returns what it returned.
async fn eventually<T, F>(what: &str, step: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let started = Instant::now();
    loop {
        match step().await {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() > TIMEOUT => return Err(error.context(what.to_owned())),
            Err(_) => sleep(POLL).await,
        }
    }
}
