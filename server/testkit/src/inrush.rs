//! Processes of the real `inrush` binary.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

/// How long a process may take to listen, on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a process may take to drain and leave.
const STOP_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// The binary, built by the same profile as the running test.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = env::current_exe().expect("a test knows its own path");
        let profile = test.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
        // The way in which `cargo test --workspace` has built it already, the features of all dependencies included:
        // then this has nothing to do.
        let mut build = Command::new(env!("CARGO"));
        build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "cli"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo can be run");
        assert!(built.success(), "the inrush binary does not build");
        profile.join("inrush")
    })
}

/// A running process. Killed when it is dropped.
pub struct Inrush {
    name: String,
    process: Child,
    folder: TempDir,
}

impl Inrush {
    /// Starts `inrush ARGUMENTS` in a folder of its own. `INRUSH_*` variables of the test are not passed on.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a file in our own folder");
        let mut command = Command::new(binary());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("INRUSH_") {
                command.env_remove(name);
            }
        }
        let process = command
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file of our own"))
            .stderr(log)
            .spawn()
            .expect("the binary can be run");
        Self { name: arguments.first().copied().unwrap_or("inrush").to_owned(), process, folder }
    }

    /// Waits until something listens on `port`.
    ///
    /// # Panics
    /// When the process ends instead, or takes too long; with what it said.
    pub async fn listening_on(&mut self, port: u16) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = self.ended() {
                panic!("{} ended with {status} instead of listening:\n{}", self.name, self.said());
            }
            assert!(
                started.elapsed() < START_LIMIT,
                "{} does not listen on {port}:\n{}",
                self.name,
                self.said()
            );
            sleep(POLL).await;
        }
    }

    /// Waits until the process has said `text`.
    ///
    /// # Panics
    /// When the process ends instead, or takes too long; with what it said.
    pub async fn says(&mut self, text: &str) {
        let started = Instant::now();
        while !self.said().contains(text) {
            if let Some(status) = self.ended() {
                assert!(
                    self.said().contains(text),
                    "{} ended with {status}, saying\n{}",
                    self.name,
                    self.said()
                );
                return;
            }
            assert!(started.elapsed() < START_LIMIT, "{} does not say {text:?}:\n{}", self.name, self.said());
            sleep(POLL).await;
        }
    }

    /// Everything it has written so far.
    pub fn said(&self) -> String {
        fs::read(self.folder.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the operating system does not tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a process of our own can be asked")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes too long; with what it said.
    pub async fn end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < STOP_LIMIT, "{} does not end:\n{}", self.name, self.said());
            sleep(POLL).await;
        }
    }

    /// SIGKILL: no draining, no goodbye.
    ///
    /// # Panics
    /// When the operating system does not let it happen.
    pub fn kill(&mut self) {
        self.process.kill().expect("a process of our own can be killed");
        self.process.wait().expect("a killed process can be waited for");
    }

    /// SIGTERM: drain and leave.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP: it does nothing any more until it may [`go_on`](Self::go_on).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "{} cannot be sent {signal}", self.name);
    }
}

impl Drop for Inrush {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
