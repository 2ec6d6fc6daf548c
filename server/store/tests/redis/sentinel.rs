//! A master, its replicas, and sentinels that make a replica the master once the master is gone, or when an operator
//! orders it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use inrush_core::store::prelude::*;
use inrush_core::{
    SaleId, SaleSettings, StoreError,
    store::{Admission, Durability, StoreEvent},
};
use inrush_store::redis::{RedisSettings, RedisStore};
use inrush_testkit::port::free_port;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    redis_server::{self, RedisServer, binary},
    support::{admission_of, connect, connect_with, create, enqueue, eventually, wait_until_listening},
};

/// A sentinel declares a master down if it does not answer for so long: other tests keep the machine busy …
const DOWN_MS: u32 = 2_000;

/// … and for so long where no master is lost: a busy machine must not look like a failure.
const NEVER_DOWN_MS: u32 = 60_000;

/// How long a failover may take on a machine that is busy with other tests.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(2);

pub(crate) struct RedisSentinel {
    master: RedisServer,
    replicas: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
    /// The last field: the processes have ended when the next test starts its own.
    _turn: SemaphorePermit<'static>,
}

/// Several at the same time keep a small machine so busy that sentinels take it for failures.
static TURN: Semaphore = Semaphore::const_new(1);

struct Sentinel {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts a master, a replica and a sentinel, and waits until a failover would lose nothing.
    pub(crate) async fn start() -> Self {
        Self::start_with(1, 1, DOWN_MS).await
    }

    /// The same with more replicas and sentinels, and their time without an answer.
    async fn start_with(replicas: usize, sentinels: usize, down_ms: u32) -> Self {
        let turn = TURN.acquire().await.expect("the semaphore is never closed");
        let master = RedisServer::start().await;
        let replica_of = format!("127.0.0.1 {}", master.port());
        let settings = [("replicaof", replica_of.as_str()), ("repl-diskless-sync-delay", "0")];
        let mut servers = Self { master, replicas: Vec::new(), sentinels: Vec::new(), _turn: turn };
        for _ in 0..replicas {
            servers.replicas.push(RedisServer::start_with(&settings).await);
        }
        let quorum = sentinels / 2 + 1;
        servers.sentinels =
            (0..sentinels).map(|_| Sentinel::start(servers.master.port(), quorum, down_ms)).collect();
        servers.wait_until_safe().await;
        servers
    }

    /// Where clients find the master, in the form the store's settings take.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }

    /// The first master.
    pub(crate) const fn master(&mut self) -> &mut RedisServer {
        &mut self.master
    }

    /// Waits until the replicas have all that the master has, and the sentinels list the replicas and one another.
    pub(crate) async fn wait_until_safe(&self) {
        let (replicas, sentinels) = (self.replicas.len(), self.sentinels.len());
        let all_known = format!("slaves={replicas},sentinels={sentinels}");
        eventually(async || {
            let acknowledged: usize = self.master.command(&["WAIT", &replicas.to_string(), "100"]).await;
            let mut seen = format!("{acknowledged} replicas have everything");
            let mut safe = acknowledged == replicas;
            for replica in &self.replicas {
                let replication: String = replica.command(&["INFO", "replication"]).await;
                safe &= replication.contains("master_link_status:up");
            }
            for sentinel in &self.sentinels {
                let known = sentinel.command(&["INFO", "sentinel"]).await.unwrap_or_default();
                safe &= known.contains(&all_known);
                seen += &known;
            }
            if safe {
                Ok(())
            } else {
                Err(StoreError::Unavailable(format!("a failover is not safe: {seen}")))
            }
        })
        .await;
    }

    /// Orders a failover as an operator does.
    async fn fail_over(&self) {
        let answer = self.sentinels[0].command(&["SENTINEL", "FAILOVER", "main"]).await;
        assert_eq!(answer.as_deref(), Ok("OK"));
    }

    /// When a replica became the master, and which.
    async fn promoted(&self) -> (Instant, &RedisServer) {
        loop {
            for replica in &self.replicas {
                if is_master(replica).await {
                    return (Instant::now(), replica);
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Enqueues until a ticket is on the promoted server. Returns how long after the promotion it was acknowledged.
    async fn outage(&self, store: &RedisStore, sale: &SaleId) -> Duration {
        let promotion = OnceLock::new();
        let watch = async {
            let _ = promotion.set(self.promoted().await);
        };
        let enqueued = async {
            for number in 0.. {
                let (buyer, started) = (format!("after-{number}"), Instant::now());
                let reply = enqueue(store, sale, &buyer).await;
                let (acknowledged, is_acknowledged) = (Instant::now(), reply.is_ok());
                if let Some(&(promoted, server)) = promotion.get()
                    && is_acknowledged
                    && started > promoted
                {
                    let direct = connect(&server.url()).await;
                    if matches!(admission_of(&direct, sale, &buyer).await, Admission::Existing { .. }) {
                        return acknowledged - promoted;
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            unreachable!("buyers without end")
        };
        let both = async { tokio::join!(watch, enqueued).1 };
        tokio::time::timeout(FAILOVER_LIMIT, both).await.expect("the store follows the failover")
    }
}

impl Sentinel {
    /// A sentinel writes its state into its configuration file.
    fn start(master: u16, quorum: usize, down_ms: u32) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let config = folder.path().join("sentinel.conf");
        let lines = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor main 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds main {down_ms}\nsentinel failover-timeout main 5000\n"
        );
        fs::write(&config, lines).expect("a file in our own folder");
        let mut command = Command::new(binary());
        command.arg(&config).arg("--sentinel").current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("the program that started the master");
        Self { process, port, _folder: folder }
    }

    async fn command(&self, words: &[&str]) -> redis::RedisResult<String> {
        let mut connection = redis_server::connect(("127.0.0.1", self.port)).await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().expect("a process of our own can be killed");
        self.process.wait().expect("a killed process can be waited for");
    }
}

/// A server closes its connections when its role changes.
async fn is_master(server: &RedisServer) -> bool {
    let replication = async {
        let mut connection = redis_server::connect(server.url()).await?;
        redis::cmd("INFO").arg("replication").query_async::<String>(&mut connection).await
    };
    replication.await.is_ok_and(|info| info.contains("role:master"))
}

/// Sentinels make the old master a replica only some eight seconds after the promotion. Until then it takes writes, which
/// are lost.
#[tokio::test]
async fn a_planned_failover_is_followed_while_the_old_master_still_takes_writes() {
    let servers = RedisSentinel::start_with(2, 3, NEVER_DOWN_MS).await;
    let store = connect(&servers.url()).await;
    let mut events = wait_until_listening(&store).await;
    let sale = create(&store, &SaleSettings::of_stock(100_000)).await;
    admission_of(&store, &sale, "before").await;
    servers.wait_until_safe().await;
    let ((), outage) = tokio::join!(servers.fail_over(), servers.outage(&store, &sale));
    println!("planned failover: tickets on the new master {outage:?} after its promotion");
    assert!(
        is_master(&servers.master).await,
        "the store has followed the new master before the old one was demoted"
    );
    assert_eq!(store.check().await, Ok(()));
    while events.recv().await != Ok(StoreEvent::Missed) {}
    store.close(&sale).await.unwrap();
    while events.recv().await != Ok(StoreEvent::Admission(sale.clone())) {}
}

#[tokio::test]
async fn the_loss_of_a_master_is_followed() {
    let mut servers = RedisSentinel::start_with(2, 3, DOWN_MS).await;
    let store = connect(&servers.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(100_000)).await;
    admission_of(&store, &sale, "before").await;
    servers.wait_until_safe().await;
    servers.master().kill();
    let outage = servers.outage(&store, &sale).await;
    println!("killed master: tickets on the new master {outage:?} after its promotion");
    assert!(matches!(admission_of(&store, &sale, "before").await, Admission::Existing { seq: 1 }));
}

/// The other replicas follow an old master for a while after one of them was promoted. What they acknowledge meanwhile is
/// lost, so it does not count as replicated.
#[tokio::test]
async fn a_change_is_replicated_once_every_replica_that_could_be_promoted_has_it() {
    let servers = RedisSentinel::start_with(2, 1, NEVER_DOWN_MS).await;
    let store = connect_with(waiting(&servers, FAILOVER_LIMIT)).await;
    let settings = SaleSettings { durability: Durability::Replicated, ..SaleSettings::of_stock(100) };
    let sale = create(&store, &settings).await;
    let reply = enqueue(&store, &sale, "before").await.expect("an answer");
    assert_eq!(reply.durability, Durability::Replicated, "both replicas have it");

    let promoted = servers.replicas.first().expect("two replicas");
    promoted.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    // The sentinel would make it a replica again.
    promoted.command::<()>(&["ACL", "SETUSER", "default", "-replicaof", "-slaveof"]).await;
    let store = connect_with(waiting(&servers, Duration::from_millis(200))).await;
    let reply = enqueue(&store, &sale, "after").await.expect("an answer");
    assert_eq!(reply.durability, Durability::Memory, "one replica of two has it");

    let store = connect_with(RedisSettings { replicas: 1, ..waiting(&servers, FAILOVER_LIMIT) }).await;
    let reply = enqueue(&store, &sale, "later").await.expect("an answer");
    assert_eq!(reply.durability, Durability::Replicated, "the operator says that one replica is enough");
}

/// A store that waits so long for replicas.
fn waiting(servers: &RedisSentinel, replication_timeout: Duration) -> RedisSettings {
    let response_timeout = 2 * FAILOVER_LIMIT;
    RedisSettings { replication_timeout, response_timeout, ..RedisSettings::new(servers.url()) }
}

/// A master without enough replicas refuses writes, and so does one that lost a failover.
#[tokio::test]
async fn a_master_that_refuses_writes_is_left_at_a_failover() {
    let servers = RedisSentinel::start_with(1, 1, NEVER_DOWN_MS).await;
    let store = connect(&servers.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(100_000)).await;
    servers.wait_until_safe().await;
    servers.master.command::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let ((), outage) = tokio::join!(servers.fail_over(), servers.outage(&store, &sale));
    println!("planned failover with min-replicas-to-write: {outage:?} after the promotion");
    assert!(is_master(&servers.master).await);
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_an_error() {
    let servers = RedisSentinel::start_with(1, 1, NEVER_DOWN_MS).await;
    let store = connect(&servers.url().replace("/main", "/other")).await;
    let error = store.check().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("no sentinel names the master")),
        "{error}"
    );
}
