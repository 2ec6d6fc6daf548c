//! The origin of a value.

use std::fmt;
use std::path::PathBuf;

/// The layer and the location that a key's value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default in the code.
    Default,
    /// The configuration file.
    File {
        /// The path as it was passed.
        path: PathBuf,
        /// The line of the key, counted from 1.
        line: usize,
    },
    /// The name of an environment variable.
    Variable(String),
    /// A command-line flag, such as `--listen`.
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
