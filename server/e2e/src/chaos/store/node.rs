//! One Redis server: a process with a folder, a proxy, and a clock.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use inrush_testkit::{
    port::free_port,
    redis_server::{binary, connect},
};
use redis::{FromRedisValue, cmd};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

use super::{POLL, TIMEOUT, eventually};
use crate::chaos::{clock::Clock, proxy::Proxy};

/// A start is repeated on another port, because another process may take the free port before the server does.
const MAX_START_ATTEMPTS: u32 = 5;

/// The file with the configuration. Sentinels write into it of which primary the server is a replica.
const CONFIG: &str = "redis.conf";

/// How long a command of the harness may take: a server may be stopped.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The user of the harness: faults take rights from the one that Inrush uses.
const USER: &str = "chaos";

/// One server.
pub struct Node {
    name: String,
    folder: PathBuf,
    /// The port of the process, behind the proxy.
    own_port: u16,
    bus_port: u16,
    process: Option<Child>,
    proxy: Proxy,
    clock: Clock,
    suspended: bool,
}

impl Node {
    /// Starts a server with lines of configuration of its own.
    pub async fn start(name: &str, parent: &Path, config: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(name, parent.join(format!("{name}-{attempt}")), config).await {
                Err(_) if attempt < MAX_START_ATTEMPTS => attempt += 1,
                started => return started,
            }
        }
    }

    async fn try_start(name: &str, folder: PathBuf, config: &[(&str, String)]) -> anyhow::Result<Self> {
        fs::create_dir(&folder)?;
        let (own_port, bus_port) = (free_port(), free_port());
        let proxy = Proxy::to(own_port).await?;
        let clock = Clock::new(&folder, name)?;
        write_config(&folder, own_port, bus_port, proxy.port(), config)?;
        let name = name.to_owned();
        let mut node =
            Self { name, folder, own_port, bus_port, process: None, proxy, clock, suspended: false };
        node.run().await?;
        Ok(node)
    }

    /// Its name in results.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port on which clients, replicas and sentinels reach it.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// The port on which it talks to other nodes of a cluster.
    #[must_use]
    pub const fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// Its proxy.
    #[must_use]
    pub const fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether its process runs and is not suspended.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.process.is_some() && !self.suspended
    }

    /// Starts the process unless it runs, and waits until it has loaded its data.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        self.run_with(&[]).await
    }

    /// The same with further lines of configuration for this once.
    pub async fn run_with(&mut self, config: &[(&str, &str)]) -> anyhow::Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = Command::new(binary());
        command.current_dir(&self.folder).arg(CONFIG);
        for (key, value) in config {
            command.args([format!("--{key}"), (*value).to_owned()]);
        }
        command.envs(self.clock.variables()?).stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        let process = command.spawn().context("redis-server starts: run `make test-tools`")?;
        self.process = Some(process);
        self.wait_until_loaded().await
    }

    async fn wait_until_loaded(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let process = self.process.as_mut().context("a started process")?;
            if let Some(status) = process.try_wait()? {
                self.process = None;
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("{} exited with {status}: {log}", self.name);
            }
            if self.command::<String>(&["PING"]).await.is_ok_and(|reply| reply == "PONG") {
                return Ok(());
            }
            ensure!(started.elapsed() < TIMEOUT, "{} does not answer", self.name);
            sleep(POLL).await;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.suspended = false;
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// SIGSTOP, and SIGCONT.
    pub fn set_suspended(&mut self, suspended: bool) -> anyhow::Result<()> {
        if let Some(process) = &self.process
            && suspended != self.suspended
        {
            let signal = if suspended { Signal::STOP } else { Signal::CONT };
            kill_process(Pid::from_child(process), signal)?;
            self.suspended = suspended;
        }
        Ok(())
    }

    /// Runs, passes everything, and has the right time and the configuration it began with.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        self.proxy.heal();
        self.clock.set(0)?;
        self.set_suspended(false)?;
        self.run().await?;
        // A server closes its connections when its role changes.
        eventually("a server takes no configuration", || async {
            self.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await?;
            self.command::<()>(&["ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all"]).await
        })
        .await
    }

    /// Sends one command over a new connection, past the proxy.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        timeout(COMMAND_TIMEOUT, self.try_command(words))
            .await
            .with_context(|| format!("{} does not answer {words:?}", self.name))?
            .with_context(|| format!("{}: {words:?}", self.name))
    }

    async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = connect(format!("redis://{USER}:any@127.0.0.1:{}", self.own_port)).await?;
        let (name, arguments) = words.split_first().unwrap_or((&"PING", &[]));
        cmd(name).arg(arguments).query_async(&mut connection).await
    }

    /// Whether it takes itself for a primary.
    pub async fn is_primary(&self) -> bool {
        self.replication().await.is_ok_and(|info| info.contains("role:master"))
    }

    /// Its `INFO replication`.
    pub async fn replication(&self) -> anyhow::Result<String> {
        self.command(&["INFO", "replication"]).await
    }

    /// The file that writes are appended to, and its size. A server begins the file a little after the command to append.
    pub async fn append_only_file(&self) -> anyhow::Result<(PathBuf, u64)> {
        eventually("a server has no append-only file", || async { self.find_append_only_file() }).await
    }

    fn find_append_only_file(&self) -> anyhow::Result<(PathBuf, u64)> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.join("appendonlydir"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .collect();
        files.sort();
        let file = files.pop().context("an append-only file")?;
        let size = fs::metadata(&file)?.len();
        Ok((file, size))
    }

    /// Removes the append-only files of a server that does not run, so that a snapshot is loaded.
    pub fn remove_append_only_files(&self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "{} runs", self.name);
        match fs::remove_dir_all(self.folder.join("appendonlydir")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn write_config(
    folder: &Path,
    own_port: u16,
    bus_port: u16,
    public_port: u16,
    config: &[(&str, String)],
) -> anyhow::Result<()> {
    // Where others find it: behind its proxy.
    let is_clustered = config.iter().any(|(key, _)| *key == "cluster-enabled");
    let announce = if is_clustered { "cluster-announce-port" } else { "replica-announce-port" };
    let mut lines = format!(
        "bind 127.0.0.1\nport {own_port}\n{announce} {public_port}\nsave \"\"\nappendonly yes\n\
         repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n\
         user {USER} on nopass ~* &* +@all\n"
    );
    if is_clustered {
        lines += &format!("cluster-port {bus_port}\ncluster-announce-bus-port {bus_port}\n");
    }
    for (key, value) in config {
        lines += &format!("{key} {value}\n");
    }
    Ok(fs::write(folder.join(CONFIG), lines)?)
}

impl Drop for Node {
    fn drop(&mut self) {
        // It fails if the process has exited already.
        let _ = self.kill();
    }
}
