//! Errors in two lines: what is wrong and where, and what to do about it.

use std::fmt::Display;

/// Why a command cannot run as it was called: exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}\n  {remedy}")]
pub struct Error {
    wrong: String,
    remedy: String,
}

impl Error {
    /// `wrong` names the place, such as a flag, a file and line, or an address; `remedy` is what to do.
    pub fn new(wrong: impl Display, remedy: impl Display) -> Self {
        Self { wrong: wrong.to_string(), remedy: remedy.to_string() }
    }

    /// What is wrong, and where.
    pub fn wrong(&self) -> &str {
        &self.wrong
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}
