//! Settings in layers: the defaults in the code, a TOML file, `INRUSH_*` environment variables, command-line flags.
//! A later layer overrides keys of the earlier ones; a list or a map is one key and is replaced as a whole.
//!
//! Nothing is ignored silently: an unknown key or variable is an error with its location and the nearest known
//! name, and all such errors are reported together.
//!
//! ```
//! use inrush_runtime::config::{Flags, Loader};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Settings {
//!     front: Front,
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Front {
//!     listen: String,
//!     batch_limit: u16,
//! }
//!
//! let loaded = Loader::new()
//!     .environment([("INRUSH_FRONT_BATCH_LIMIT", "128")])
//!     .flags(Flags::new().set("front.listen", "--listen", Some("127.0.0.1:50051")))
//!     .load::<Settings>()?;
//! assert_eq!(loaded.value.front.batch_limit, 128);
//! assert_eq!(loaded.origin("front.listen").map(ToString::to_string), Some("flag --listen".into()));
//! # Ok::<(), inrush_runtime::config::ConfigError>(())
//! ```
//!
//! # What a settings type may contain
//!
//! Structs are tables, at any depth; their fields are the known keys, so a struct must serialise all of them: no
//! `skip_serializing`, no `flatten`, no `Option` of a struct (give the struct a default instead). Every other
//! field is one key: a number, string, boolean, unit enum, `Option` of those, list, map with names that the user
//! chooses, [`Secret`](crate::secret::Secret), or anything that serialises as one of these.
//!
//! [`settings!`](crate::settings) defines such structs, with the defaults and the text of the reference page beside
//! each field.
//!
//! # How a variable is written
//!
//! `INRUSH_` and the path in upper case, joined by underscores: `INRUSH_FRONT_BATCH_LIMIT` is
//! `front.batch_limit`. A list takes `a,b,c`, a map `name=1,other=2`; an empty variable counts as not set.
//! Variables that Kubernetes adds for services named `inrush…` are recognised and ignored, and so are those with
//! the prefix `INRUSH_TEST_`.

mod describe;
mod environment;
mod error;
mod file;
mod flags;
mod keys;
mod loaded;
mod origin;
mod print;
mod service_links;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::Serialized;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::describe::{KeyDoc, SettingType, describe_field, key_docs};
pub use self::error::{ConfigError, Problem};
pub use self::flags::Flags;
pub use self::loaded::{Loaded, Setting};
pub use self::origin::Origin;

use self::keys::Keys;
use self::tree::Node;

/// Collects the layers and loads them into a settings type.
// Not Debug, like all types here that hold values before it is known which of them are secret.
#[derive(Default)]
pub struct Loader {
    file: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    reserved: Vec<String>,
    flags: Flags,
}

impl Loader {
    /// A loader with no layer but the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this TOML file, which must exist.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Reads `INRUSH_*` from these variables: `std::env::vars_os()` in a process, anything else in a test.
    #[must_use]
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        self.environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// Ignores this variable, which the caller handles: `INRUSH_CONFIG`, for example, has the path of the file.
    #[must_use]
    pub fn reserve(mut self, variable: impl Into<String>) -> Self {
        self.reserved.push(variable.into());
        self
    }

    /// Sets the layer of the command line, which overrides all others.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Loads the layers over `T::default()`.
    ///
    /// # Errors
    /// All unknown keys and variables together, or the first invalid value.
    pub fn load<T>(self) -> Result<Loaded<T>, ConfigError>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        let defaults = Node::of(&T::default())?;
        let mut keys = Keys::of(&defaults)?;
        let mut problems = Vec::new();
        if let Some(path) = &self.file {
            file::apply(path, &mut keys, &mut problems);
        }
        environment::apply(self.environment, &self.reserved, &mut keys, &mut problems);
        self.flags.apply(&mut keys, &mut problems);
        ConfigError::from_problems(problems)?;

        let figment = Figment::from(Serialized::defaults(keys.to_figment()));
        let value: T = figment.extract_lossy().map_err(|error| keys.error(&error))?;
        let tree = Node::of(&value)?;
        keys.check_secrets(&tree)?;
        Ok(Loaded::new(value, tree, keys.into_origins(), self.flags.into_names()))
    }
}

#[cfg(test)]
mod tests;
