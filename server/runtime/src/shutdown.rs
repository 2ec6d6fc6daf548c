//! Graceful shutdown: the first SIGTERM or SIGINT starts draining, a second one exits immediately.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::ExitStatus;

/// The shutdown of a process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A shutdown that has not started and that no signal starts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that SIGTERM and SIGINT start. Needs a Tokio runtime; signals are handled until it ends.
    ///
    /// # Errors
    /// If a signal handler cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        tokio::spawn(signals.handle_signals(shutdown.clone()));
        Ok(shutdown)
    }

    /// Starts draining and logs the reason. Later calls have no effect.
    pub fn start(&self, reason: &str) {
        if !self.token.is_cancelled() {
            tracing::info!(reason, "shutting down");
            self.token.cancel();
        }
    }

    /// Whether draining has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until draining starts.
    pub async fn started(&self) {
        self.token.cancelled().await;
    }

    /// A token that is cancelled when draining starts. It is a child: cancelling it does not start draining.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.child_token()
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn handle_signals(mut self, shutdown: Shutdown) {
        let name = self.next().await;
        shutdown.start(name);
        let name = self.next().await;
        tracing::error!(signal = name, "second signal: exiting immediately, work is unfinished");
        force_exit();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the second signal asks to exit without draining")]
fn force_exit() -> ! {
    std::process::exit(ExitStatus::Failure.code().into())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Lines};
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn all_clones_start_together() {
        let shutdown = Shutdown::new();
        let (clone, token) = (shutdown.clone(), shutdown.token());
        assert!(!clone.is_started());
        shutdown.start("test");
        shutdown.start("again");
        clone.started().await;
        assert!(token.is_cancelled());
    }

    #[test]
    fn cancelling_a_token_does_not_start_draining() {
        let shutdown = Shutdown::new();
        shutdown.token().cancel();
        assert!(!shutdown.is_started());
    }

    /// Set in the process that the signal tests start.
    const UNDER_TEST: &str = "INRUSH_TEST_SIGNALS";

    /// The process that the signal tests send signals to.
    #[tokio::test]
    #[ignore = "run by the signal tests, in a process of its own"]
    async fn process_under_test() {
        assert!(std::env::var_os(UNDER_TEST).is_some(), "only the signal tests run this");
        let shutdown = Shutdown::on_signals().unwrap();
        println!("ready");
        shutdown.started().await;
        println!("draining");
        std::future::pending::<()>().await;
    }

    struct Process {
        child: Child,
        lines: Lines<BufReader<ChildStdout>>,
    }

    impl Process {
        fn start() -> Self {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "shutdown::tests::process_under_test", "--ignored", "--nocapture"])
                .env(UNDER_TEST, "1")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            Self { child, lines }
        }

        fn wait_for(&mut self, word: &str) {
            assert!(
                self.lines.by_ref().any(|line| line.unwrap().ends_with(word)),
                "no line ends with {word}"
            );
        }

        fn send(&self, signal: &str) {
            let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
            assert!(sent.success());
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn one_signal_drains_and_a_second_one_exits() {
        for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM"), ("-TERM", "-INT")] {
            let mut process = Process::start();
            process.wait_for("ready");
            process.send(first);
            process.wait_for("draining");
            assert!(process.child.try_wait().unwrap().is_none(), "one signal must not end the process");
            process.send(second);
            assert_eq!(process.child.wait().unwrap().code(), Some(1));
        }
    }
}
