//! Programs of others that tests run.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

/// How long a program may take to say something, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// Where `make test-tools` puts what comes as Python packages.
const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-tools/venv");

/// A program that `make test-tools` has put into the virtual environment, by its path there.
///
/// # Panics
/// When it is not there.
pub fn in_venv(path: &str) -> PathBuf {
    let path = Path::new(VENV).join(path);
    assert!(path.exists(), "{} is missing: run `make test-tools`", path.display());
    path
}

/// A running program. Killed when it is dropped.
pub struct Program {
    process: Child,
    folder: TempDir,
}

impl Program {
    /// Starts it in a folder of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file in our own folder");
        }
        let log = File::create(folder.path().join("log")).expect("a file in our own folder");
        let process = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file of our own"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} cannot be run ({error}): run `make test-tools`", program.display())
            });
        Self { process, folder }
    }

    /// Everything it has written so far.
    pub fn said(&self) -> String {
        fs::read(self.folder.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Waits until what it has said is enough.
    ///
    /// # Panics
    /// When that takes too long; with what it said.
    pub async fn says(&self, what: &str, enough: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !enough(&self.said()) {
            assert!(started.elapsed() < PATIENCE, "{what} was never said:\n{}", self.said());
            sleep(POLL).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
