//! The clocks of processes, which can be set: a shim that `cc` builds adds an offset to the time of day.
//!
//! Not libfaketime: with the allocator of Redis it does not get past the start of the process.

use std::{
    env, fs,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, ensure};

const SOURCE: &str = include_str!("clock.c");

/// The variable with the path of the file that has the offset.
pub const FILE_VARIABLE: &str = "CHAOS_CLOCK_FILE";

/// A clock that can be set.
#[derive(Clone, Debug)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, with its file in this folder.
    pub fn new(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let clock = Self { file: folder.join(format!("{name}.clock")) };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets the clock to so many milliseconds after the right time.
    ///
    /// The file is written in place: processes have it mapped.
    pub fn set(&self, offset_millis: i64) -> anyhow::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&self.file)?;
        file.rewind()?;
        file.write_all(&offset_millis.saturating_mul(1_000_000).to_ne_bytes())?;
        Ok(())
    }

    /// The variables of a process that has this clock.
    pub fn variables(&self) -> anyhow::Result<Vec<(String, String)>> {
        let shim = shim()?.display().to_string();
        Ok(vec![("LD_PRELOAD".to_owned(), shim), (FILE_VARIABLE.to_owned(), self.file.display().to_string())])
    }
}

/// The shim, built beside the program by the first caller of this process.
fn shim() -> anyhow::Result<&'static Path> {
    static SHIM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match SHIM.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(error) => anyhow::bail!("{error}"),
    }
}

fn build() -> anyhow::Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.parent().context("a program is in a folder")?;
    // Another process may build it at the same time: each builds its own, and the last one to finish stays.
    let building = tempfile::tempdir_in(folder)?;
    let (source, built) = (building.path().join("clock.c"), building.path().join("clock.so"));
    fs::write(&source, SOURCE)?;
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&built).arg(&source);
    let output = cc.output().context("cc builds the clocks of the processes: install a C compiler")?;
    ensure!(output.status.success(), "the shim does not build: {}", String::from_utf8_lossy(&output.stderr));
    let shim = folder.join("chaos-clock.so");
    fs::rename(built, &shim)?;
    Ok(shim)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_process_sees_the_time_that_its_clock_is_set_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::new(folder.path(), "date").expect("a file");
        for (offset, expected) in [(0, 0), (3_600_000, 3_600), (-20_000, -20)] {
            clock.set(offset).expect("a file of our own");
            let mut date = Command::new("date");
            date.arg("+%s").envs(clock.variables().expect("a shim"));
            let output = date.output().expect("date can be run");
            let seen: i64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let difference = seen - i64::try_from(now.as_secs()).expect("a time");
            assert!((expected - 60..=expected + 1).contains(&difference), "{offset}: {difference}");
        }
    }
}
