//! The layer of the command line.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::error::Problem;
use super::keys::Keys;
use super::origin::Origin;

/// The flags that set keys, and the values that were provided.
#[derive(Clone, Default)]
pub struct Flags {
    names: BTreeMap<String, String>,
    provided: Vec<Provided>,
}

#[derive(Clone)]
struct Provided {
    key: String,
    flag: String,
    value: Result<Value, String>,
}

impl Flags {
    /// No flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the flag (such as `--listen`) of a key, and its value if one was provided. The text may be a list (`a,b`) or a map
    /// (`name=1,other=2`) if the key takes one.
    #[must_use]
    pub fn set(mut self, key: &str, flag: &str, value: Option<impl Serialize>) -> Self {
        self.names.insert(key.to_owned(), flag.to_owned());
        if let Some(value) = value {
            let value = Value::try_from(value).map_err(|error| error.to_string());
            self.provided.push(Provided { key: key.to_owned(), flag: flag.to_owned(), value });
        }
        self
    }

    /// All keys that have a flag, and the flag.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(key, flag)| (key.as_str(), flag.as_str()))
    }

    /// The flags by key.
    pub(super) fn into_names(self) -> BTreeMap<String, String> {
        self.names
    }

    pub(super) fn apply(&self, keys: &mut Keys, problems: &mut Vec<Problem>) {
        for Provided { key, flag, value } in &self.provided {
            let origin = Origin::Flag(flag.clone());
            let outcome = match value {
                Ok(Value::String(text)) => keys.set_text(key, text, origin),
                Ok(other) => keys.set(key, other.clone(), origin),
                Err(reason) => {
                    Err(Problem::InvalidValue { key: key.clone(), origin, reason: reason.clone() })
                }
            };
            problems.extend(outcome.err());
        }
    }
}
