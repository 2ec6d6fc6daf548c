//! The settings of admin HTTP.

use std::path::PathBuf;

use crate::secret::{Secret, SecretError};
use crate::settings;

settings! {
    /// HTTP for operators and orchestrators, and gRPC health checks on the same port.
    #[derive(Clone, Debug)]
    pub struct AdminSettings {
        /// Address to listen on, `HOST:PORT`, or `off`. Unset: 127.0.0.1 with a port per service, so that all
        /// services can run on one machine.
        pub listen: Option<String>,
        /// Token that is required to change the log level; set it by variable only. Unset: the level cannot be
        /// changed.
        pub token: Option<Secret>,
        /// File with that token.
        pub token_file: Option<PathBuf>,
    }
}

impl AdminSettings {
    /// The value of `listen` that disables admin HTTP.
    pub const OFF: &str = "off";

    /// The admin token, if there is one.
    ///
    /// # Errors
    /// If both keys are set, or the file cannot be used.
    pub fn token(&self) -> Result<Option<Secret>, SecretError> {
        Secret::resolve("admin.token", self.token.as_ref(), self.token_file.as_deref())
    }
}
