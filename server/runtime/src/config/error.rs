//! What can be wrong with a configuration, in words that say how to put it right.

use std::fmt;
use std::path::PathBuf;

use super::origin::Origin;

/// Everything that was found wrong with a configuration. Never empty.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The single mistakes, in the order of the layers.
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
                write!(formatter, "the configuration has {} mistakes:", several.len())?;
                several.iter().try_for_each(|problem| write!(formatter, "\n  - {problem}"))
            }
        }
    }
}

/// One mistake in a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that no setting has.
    #[error("unknown key `{key}` ({origin}){}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// The key as written, with the tables it stands in.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A variable with Inrush's prefix that no setting has.
    #[error("unknown environment variable `{variable}`{}", did_you_mean(.nearest.as_deref()))]
    UnknownVariable {
        /// The variable's name.
        variable: String,
        /// The known variable most like it.
        nearest: Option<String>,
    },
    /// A value where a table of keys belongs.
    #[error("`{key}` ({origin}) is a table: write the keys below a line [{key}]")]
    NotATable {
        /// The table's key.
        key: String,
        /// Where the value stands.
        origin: Origin,
    },
    /// A value that does not fit its key.
    #[error("`{key}` ({origin}): {reason}")]
    WrongValue {
        /// The key.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret where others can read it.
    #[error(
        "`{key}` is a secret and must not be given by value in {origin}: name a file that holds it \
             in `{key}_file`, or set the environment variable {variable}"
    )]
    ExposedSecret {
        /// The secret's key.
        key: String,
        /// Where it was given.
        origin: Origin,
        /// The variable that may hold it.
        variable: String,
    },
    /// A variable whose value is not text.
    #[error(
        "the value of the environment variable {variable} is not valid UTF-8: set it again as plain text"
    )]
    NotText {
        /// The variable's name, as far as it is text.
        variable: String,
    },
    /// A file that cannot be read.
    #[error("cannot read the configuration file {}: {reason}", .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A file that is not TOML.
    #[error("the configuration file {} is not valid TOML: {reason}", .path.display())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which line.
        reason: String,
    },
    /// Two keys that the same variable would set. A mistake in the settings type, not in the configuration.
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
    /// A settings type that cannot be shown as TOML. A mistake in the settings type, not in the configuration.
    #[error("the settings cannot be written as TOML: {what}")]
    Unsupported {
        /// What stands in the way.
        what: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
