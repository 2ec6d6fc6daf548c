//! What an operator decides about admin HTTP.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::secret::{Secret, SecretError};

/// HTTP for operators and orchestrators, and gRPC health checks on the same port.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// An address and a port, or `off`. Unset: a port of this machine that each service has for itself, so that all can
    /// run on one.
    pub listen: Option<String>,
    /// The token that changes the log level, by variable only. Unset: nobody can.
    pub token: Option<Secret>,
    /// A file with that token.
    pub token_file: Option<PathBuf>,
}

impl AdminSettings {
    /// What turns admin HTTP off.
    pub const OFF: &str = "off";

    /// The admin token, if there is one.
    ///
    /// # Errors
    /// If it is given twice, or the file does not give one.
    pub fn token(&self) -> Result<Option<Secret>, SecretError> {
        Secret::resolve("admin.token", self.token.as_ref(), self.token_file.as_deref())
    }
}
