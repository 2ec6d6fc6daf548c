//! The destination of a report.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use inrush_report::{Format, Report};
use inrush_transport::Error;

use crate::cli::{console::written, output_file::not_writable};

/// Standard output or a file. The file is created before the run, so that an invalid path is found early.
pub(super) enum Destination {
    Standard,
    File { flag: &'static str, path: PathBuf, file: File },
}

impl Destination {
    /// Opens the destination that a flag names.
    pub(super) fn open(flag: &'static str, path: Option<&Path>) -> Result<Self, Error> {
        match path.filter(|path| !path.as_os_str().is_empty()) {
            None => Ok(Self::Standard),
            Some(path) => match File::create(path) {
                Ok(file) => Ok(Self::File { flag, path: path.to_path_buf(), file }),
                Err(error) => Err(not_writable(flag, path, &error)),
            },
        }
    }

    /// Writes a report.
    pub(super) fn write(self, report: &Report, format: Format) -> Result<(), Error> {
        match self {
            Self::File { flag, path, file } => finish(report, format, BufWriter::new(file))
                .map_err(|error| not_writable(flag, &path, &error)),
            Self::Standard => written(finish(report, format, BufWriter::new(io::stdout().lock()))),
        }
    }
}

fn finish(report: &Report, format: Format, mut to: impl Write) -> io::Result<()> {
    inrush_report::write(report, format, &mut to)?;
    to.flush()
}
