//! Starts `inrush up` as a child process on free ports, and stops it with the run.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use inrush_transport::Error;
use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take to drain, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Interval of checks whether a process has exited.
const EXIT_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// How much of its log is kept for the error if it does not start, in bytes.
const KEPT_LOG: u64 = 64 * 1024;

const REMEDY: &str = "build it with `cargo build --profile dist -p inrush`, or give it with --inrush PATH, or a running front \
    as host:port";

/// The name of the program.
const PROGRAM: &str = "inrush";

/// A running `inrush up`. It is stopped when it is dropped.
#[derive(Debug)]
pub struct Inrush {
    child: Child,
    front: String,
    program: PathBuf,
}

impl Inrush {
    /// Starts one that uses the order system at `orders`. `program` is the binary; without one, it is the
    /// `inrush` beside this program, or the one that the shell would find.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start(program: Option<&Path>, orders: SocketAddr) -> Result<Self, Error> {
        let program = find(program)?;
        let mut command = Command::new(&program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("INRUSH_")) {
            command.env_remove(name);
        }
        let orders = format!("http://{orders}");
        command.args(["up", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
        command.args(["--log-level", "error", "--log-format", "text", "--orders", &orders]);
        // The child must not get Ctrl-C: the run first ends with a report, then stops it.
        command.process_group(0);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = spawned.map_err(|error| {
            Error::new(
                format!("{} cannot be started: {error}", program.display()),
                "give the inrush binary with --inrush PATH, or a running front as host:port",
            )
        })?;
        running().push(child.id());
        let mut inrush = Self { child, front: String::new(), program };
        inrush.front = inrush.await_startup_line()?;
        Ok(inrush)
    }

    /// Where buyers connect: `http://host:port`.
    pub fn front(&self) -> &str {
        &self.front
    }

    /// The program that runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Waits for the line with the addresses that it listens on.
    fn await_startup_line(&mut self) -> Result<String, Error> {
        let log = self.child.stderr.take().map(follow_log);
        let lines = self.child.stdout.take().map(first_line);
        let line = lines.and_then(|lines| lines.recv_timeout(START_LIMIT).ok()).unwrap_or_default();
        let startup_line: Option<Value> = serde_json::from_str(&line).ok();
        let front = startup_line.and_then(|addresses| Some(addresses.get("front")?.as_str()?.to_owned()));
        front.ok_or_else(|| {
            // Its log has the reason.
            let output =
                log.and_then(|log| log.recv_timeout(Duration::from_secs(1)).ok()).unwrap_or_default();
            let output = if output.is_empty() { line } else { output };
            Error::new(
                format!("{} did not start: {}", self.program.display(), output.trim()),
                "it must know `inrush up --orders`: give one of this version with --inrush PATH",
            )
        })
    }
}

impl Drop for Inrush {
    fn drop(&mut self) {
        let id = self.child.id();
        let deadline = Instant::now() + if terminate(id) { STOP_LIMIT } else { Duration::ZERO };
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            pause();
        }
        // It may have ended in the meantime.
        let _ = self.child.kill();
        let _ = self.child.wait();
        running().retain(|running| *running != id);
    }
}

/// Stops every Inrush of this process, for a run that was abandoned.
pub fn stop_all() {
    for id in running().drain(..) {
        terminate(id);
    }
}

/// The processes that have been started and not been waited for.
fn running() -> MutexGuard<'static, Vec<u32>> {
    static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    RUNNING.lock()
}

/// False: the signal cannot be sent.
fn terminate(id: u32) -> bool {
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| kill_process(process, Signal::TERM).is_ok())
}

#[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread: the run is over")]
fn pause() {
    thread::sleep(EXIT_CHECK_INTERVAL);
}

/// The `inrush` binary: the one given, the one beside this program, or the one that the shell would find.
///
/// # Errors
/// When there is none.
pub fn find(given: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(given) = given {
        let missing =
            || Error::new(format!("--inrush {}: there is no such program", given.display()), REMEDY);
        return if given.is_file() { Ok(given.to_owned()) } else { Err(missing()) };
    }
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).map(|folder| folder.join(PROGRAM));
    beside
        .into_iter()
        .chain(on_path)
        .find(|path| path.is_file())
        .ok_or_else(|| Error::new("there is no `inrush` beside this program or in PATH", REMEDY))
}

/// The first line of what it prints. The rest is read, so that it never waits for a reader.
fn first_line(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            // The receiver is gone if the start timed out.
            let _ = sender.send(line);
        }
        lines.for_each(drop);
    });
    receiver
}

/// Forwards warnings and errors to stderr; sends the first part of them when the process has exited.
fn follow_log(stderr: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut output = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Also with a closed stderr the log must be read: the process would wait for a full pipe.
            let _ = writeln!(io::stderr(), "inrush: {line}");
            if (output.len() as u64) < KEPT_LOG {
                output.push_str(&line);
                output.push('\n');
            }
        }
        // The receiver is used only if the start failed.
        let _ = sender.try_send(output);
    });
    receiver
}
