//! Runs the binary: once to its end, or as a service that is stopped with the test.

use std::{
    io::{BufRead as _, BufReader, Lines, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Timeout of every wait, on a machine that is busy with other tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts the exit code and the parts of the error message.
    #[track_caller]
    pub(crate) fn expect_error(self, code: i32, parts: &[&str]) {
        let ran = self.expect_code(code);
        assert!(ran.stderr.starts_with("error: "), "{ran:#?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
        }
        assert!(!ran.stderr.contains("Error {") && !ran.stderr.contains("Some("), "a debug dump: {ran:#?}");
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let ran = self.expect_code(0);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the binary prints UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs a command line until it exits.
pub(crate) fn inrush(words: &str) -> Ran {
    run(command(words))
}

/// Runs a command until it exits.
pub(crate) fn run(mut command: Command) -> Ran {
    command.stdin(Stdio::null()).output().expect("the binary can be started").into()
}

/// Runs a command with this standard input until it exits.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads its input");
    child.wait_with_output().expect("it ends").into()
}

/// The binary with these arguments, without the `INRUSH_*` variables of the test process.
pub(crate) fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inrush"));
    command.args(words.split_whitespace());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INRUSH_") {
            command.env_remove(name);
        }
    }
    command
}

/// A service. It is killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Service {
    /// Starts a command line.
    pub(crate) fn start(words: &str) -> Self {
        Self::start_command(command(words))
    }

    /// Starts a command.
    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let log = follow(child.stderr.take().expect("it is piped"));
        Self { child, stdout, log, seen: Vec::new() }
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.stdout.next() {
            Some(Ok(line)) => line,
            other => panic!("{other:?} instead of a line; its log: {:#?}", self.log()),
        }
    }

    /// Waits for a log line that contains this.
    pub(crate) fn wait_for_log(&mut self, part: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(why) => panic!("no log line with {part:?} ({why}): {:#?}", self.seen),
            }
        }
    }

    /// Its log so far.
    pub(crate) fn log(&mut self) -> &[String] {
        self.seen.extend(self.log.try_iter());
        &self.seen
    }

    /// Sends SIGTERM and waits for the exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        signal(&self.child, "-TERM");
        self.wait()
    }

    /// Sends SIGINT and waits for the exit code.
    pub(crate) fn interrupt(self) -> Option<i32> {
        signal(&self.child, "-INT");
        self.wait()
    }

    /// Waits for the exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status can be read") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not exit: {:#?}", self.log());
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

/// Reads the log on its own thread, so that the process never blocks on a full pipe.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (lines, log) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    log
}

/// `inrush up` on free ports, with its addresses.
pub(crate) struct Up {
    pub(crate) service: Service,
    pub(crate) front: String,
    pub(crate) admin: String,
}

impl Up {
    /// Starts it with additional flags.
    pub(crate) fn start(flags: &str) -> Self {
        Self::start_with(&[], flags)
    }

    /// Starts it with variables and additional flags.
    pub(crate) fn start_with(variables: &[(&str, &str)], flags: &str) -> Self {
        let ports = "--listen 127.0.0.1:0 --orders-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --cores 1";
        let mut up = command(&format!("up --json {ports} {flags}"));
        up.envs(variables.iter().copied());
        let mut service = Service::start_command(up);
        let addresses: Value = serde_json::from_str(&service.line()).expect("the first line is JSON");
        let address = |name: &str| {
            addresses[name].as_str().unwrap_or_else(|| panic!("no {name}: {addresses}")).to_owned()
        };
        Self { front: address("front"), admin: address("admin"), service }
    }

    /// Runs a client command against it.
    pub(crate) fn inrush(&self, words: &str) -> Ran {
        inrush(&format!("{words} --server {}", self.front))
    }

    /// Runs a client command against it and parses its JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &str) -> Value {
        self.inrush(&format!("{words} --json")).json()
    }
}

/// The status code and the body of a GET.
pub(crate) fn http_get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).expect("the admin server listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    (code, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Polls until there is a value.
pub(crate) fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// A free port. Another process may take it before it is used.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
