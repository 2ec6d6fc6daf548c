//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// The layer and the place that gave a key its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default in the code.
    Default,
    /// The configuration file.
    File {
        /// The file's path as it was given.
        path: PathBuf,
        /// The line of the key, counted from 1.
        line: usize,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// A command-line flag, as the user writes it.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "file {}, line {line}", path.display()),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}
