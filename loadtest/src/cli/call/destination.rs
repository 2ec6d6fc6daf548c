//! Where a report goes.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{
    problem::Problem,
    report::{self, Format, Report},
};

/// Standard output or a file, which is opened before the run: a long run is not made for nothing.
pub(super) enum Destination {
    Standard,
    File { flag: &'static str, path: PathBuf, file: File },
}

impl Destination {
    /// Opens what the flag names.
    pub(super) fn open(flag: &'static str, path: Option<&Path>) -> Result<Self, Problem> {
        match path.filter(|path| !path.as_os_str().is_empty()) {
            None => Ok(Self::Standard),
            Some(path) => match File::create(path) {
                Ok(file) => Ok(Self::File { flag, path: path.to_path_buf(), file }),
                Err(error) => Err(unwritable(flag, path, &error)),
            },
        }
    }

    /// Writes a report to it.
    pub(super) fn write(self, report: &Report, format: Format) -> Result<(), Problem> {
        match self {
            Self::File { flag, path, file } => {
                finish(report, format, BufWriter::new(file)).map_err(|error| unwritable(flag, &path, &error))
            }
            Self::Standard => match finish(report, format, BufWriter::new(io::stdout().lock())) {
                // Whoever reads may have seen enough: `| head`.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                Err(error) => Err(unwritable("--output", Path::new("on standard output"), &error)),
                Ok(()) => Ok(()),
            },
        }
    }
}

fn finish(report: &Report, format: Format, mut to: impl Write) -> io::Result<()> {
    report::write(report, format, &mut to)?;
    to.flush()
}

fn unwritable(flag: &str, path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        format!("{flag} {} cannot be written: {error}", path.display()),
        "name a file in a folder that is there and can be written to",
    )
}
