//! Configuration errors, each with its remedy.

use std::fmt;
use std::path::PathBuf;

use super::origin::Origin;

/// All errors of a configuration: at least one.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The errors, in the order of the layers.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn from_problems(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(formatter),
            several => {
                write!(formatter, "the configuration has {} errors:", several.len())?;
                several.iter().try_for_each(|problem| write!(formatter, "\n  - {problem}"))
            }
        }
    }
}

/// One error of a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The key is unknown.
    #[error("unknown key `{key}` ({origin}){}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// Its location.
        origin: Origin,
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// A variable with Inrush's prefix is unknown.
    #[error("unknown environment variable `{variable}`{}", did_you_mean(.nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The most similar known variable.
        nearest: Option<String>,
    },
    /// A value where a table is expected.
    #[error("`{key}` ({origin}) is a table: write the keys below a line [{key}]")]
    NotATable {
        /// The table's key.
        key: String,
        /// The location of the value.
        origin: Origin,
    },
    /// The value of a key is invalid.
    #[error("`{key}` ({origin}): {reason}")]
    InvalidValue {
        /// The key.
        key: String,
        /// The location of the value.
        origin: Origin,
        /// The reason.
        reason: String,
    },
    /// A secret is set where others can read it.
    #[error(
        "`{key}` is a secret and must not be set by value in {origin}: set the path of a file in `{key}_file`, \
             or set the environment variable {variable}"
    )]
    ExposedSecret {
        /// The secret's key.
        key: String,
        /// Its location.
        origin: Origin,
        /// The variable that it may be set in.
        variable: String,
    },
    /// The value of a variable is not text.
    #[error(
        "the value of the environment variable {variable} is not valid UTF-8: set it again as plain text"
    )]
    NotText {
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {reason}", .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        reason: String,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML: {reason}", .path.display())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// The reason, with the line.
        reason: String,
    },
    /// One variable would set two keys: a defect of the settings type, not of the configuration.
    #[error(
        "the environment variable {variable} would set both `{first}` and `{second}`: rename one of the keys"
    )]
    AmbiguousVariable {
        /// The variable.
        variable: String,
        /// One of the keys.
        first: String,
        /// The other key.
        second: String,
    },
    /// The settings cannot be written as TOML: a defect of the settings type, not of the configuration.
    #[error("the settings cannot be written as TOML: {what}")]
    Unsupported {
        /// The reason.
        what: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
