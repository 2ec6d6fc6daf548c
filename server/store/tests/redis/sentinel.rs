//! A master, its replica, and a sentinel that makes the replica the master once the master is gone.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use inrush_core::StoreError;
use inrush_testkit::port::free_port;
use tempfile::TempDir;

use crate::{
    redis_server::{RedisServer, binary},
    support::eventually,
};

/// A sentinel declares a master down if it does not answer for so long.
const LONG_TIMEOUT_MS: u32 = 500;

pub(crate) struct RedisSentinel {
    master: RedisServer,
    replica: RedisServer,
    sentinel: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts all three and waits until a failover would lose nothing.
    pub(crate) async fn start() -> Self {
        let master = RedisServer::start().await;
        let replica = RedisServer::start_with(&[
            ("replicaof", &format!("127.0.0.1 {}", master.port())),
            ("repl-diskless-sync-delay", "0"),
        ])
        .await;
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let sentinel = start_sentinel(&folder, port, master.port());
        let servers = Self { master, replica, sentinel, port, _folder: folder };
        servers.wait_until_safe().await;
        servers
    }

    /// Where clients find the master, in the form the store's settings take.
    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.port)
    }

    /// The first master.
    pub(crate) const fn master(&mut self) -> &mut RedisServer {
        &mut self.master
    }

    /// Waits until the replica has all that the master has, and the sentinel lists the replica.
    pub(crate) async fn wait_until_safe(&self) {
        eventually(async || {
            let acknowledged: u64 = self.master.command(&["WAIT", "1", "100"]).await;
            let replication: String = self.replica.command(&["INFO", "replication"]).await;
            let known = self.ask_sentinel().await.unwrap_or_default();
            if acknowledged == 1
                && replication.contains("master_link_status:up")
                && known.contains("slaves=1")
            {
                return Ok(());
            }
            Err(StoreError::Unavailable(format!("the replica does not follow: {replication}{known}")))
        })
        .await;
    }

    async fn ask_sentinel(&self) -> redis::RedisResult<String> {
        let client = redis::Client::open(("127.0.0.1", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("INFO").arg("sentinel").query_async(&mut connection).await
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        self.sentinel.kill().expect("a process of our own can be killed");
        self.sentinel.wait().expect("a killed process can be waited for");
    }
}

/// A sentinel writes its state into its configuration file.
fn start_sentinel(folder: &TempDir, port: u16, master: u16) -> Child {
    let config = folder.path().join("sentinel.conf");
    let lines = format!(
        "bind 127.0.0.1\nport {port}\nsentinel monitor main 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds main {LONG_TIMEOUT_MS}\nsentinel failover-timeout main 5000\n"
    );
    fs::write(&config, lines).expect("a file in our own folder");
    let mut command = Command::new(binary());
    command.arg(&config).arg("--sentinel").current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program that started the master")
}
