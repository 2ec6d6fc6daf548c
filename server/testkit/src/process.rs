//! Processes that write to a log file in a folder of their own.

use std::{
    fs::{self, File},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

/// How long a process may take to listen or to write something, on a machine that is busy with other tests.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a process may take to drain and exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running process. It is killed when it is dropped.
pub struct TestProcess {
    name: String,
    child: Child,
    folder: TempDir,
}

impl TestProcess {
    /// Starts a command in a temporary folder, which first gets `files` as names and contents.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (file, text) in files {
            fs::write(folder.path().join(file), text).expect("a file in our own folder");
        }
        let log = File::create(folder.path().join("log")).expect("a file in our own folder");
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file of our own"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({error}): run `make test-tools`"));
        Self { name: name.to_owned(), child, folder }
    }

    /// Waits until the process listens on `port`.
    ///
    /// # Panics
    /// If the process exits instead, or on a timeout, with its output.
    pub async fn wait_for_port(&mut self, port: u16) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = self.exit_status() {
                panic!("{} exited with {status} instead of listening:\n{}", self.name, self.output());
            }
            let elapsed = started.elapsed();
            assert!(elapsed < START_TIMEOUT, "{} does not listen on {port}:\n{}", self.name, self.output());
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until the output contains `text`.
    ///
    /// # Panics
    /// If the process exits without it, or on a timeout, with its output.
    pub async fn wait_for_output(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            // The status first: everything that the process wrote before it exited is then in the output.
            let status = self.exit_status();
            let output = self.output();
            if output.contains(text) {
                return;
            }
            if let Some(status) = status {
                panic!("{} exited with {status} without writing {text:?}:\n{output}", self.name);
            }
            assert!(started.elapsed() < START_TIMEOUT, "{} does not write {text:?}:\n{output}", self.name);
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Everything that the process has written so far.
    pub fn output(&self) -> String {
        fs::read(self.folder.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// The exit status, if the process has exited.
    ///
    /// # Panics
    /// If the operating system does not report it.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the status of a child can be read")
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    /// On a timeout, with its output.
    pub async fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            assert!(started.elapsed() < EXIT_TIMEOUT, "{} does not exit:\n{}", self.name, self.output());
            sleep(POLL_INTERVAL).await;
        }
    }

    /// SIGKILL: no draining.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM: drain and exit.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP: the process is suspended until [`resume`](Self::resume).
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "cannot send {signal} to {}", self.name);
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        // Both fail if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
