//! The layer of the command line.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::error::Problem;
use super::keys::Keys;
use super::origin::Origin;

/// The flags that can change a setting, and what the user gave for them.
#[derive(Clone, Default)]
pub struct Flags {
    names: BTreeMap<String, String>,
    given: Vec<Given>,
}

#[derive(Clone)]
struct Given {
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

    /// The flag (as the user writes it) for a key, and its value if the user gave one. A string may hold a list
    /// (`a,b`) or a map (`name=1,other=2`) where the key takes one.
    #[must_use]
    pub fn set(mut self, key: &str, flag: &str, value: Option<impl Serialize>) -> Self {
        self.names.insert(key.to_owned(), flag.to_owned());
        if let Some(value) = value {
            let value = Value::try_from(value).map_err(|error| error.to_string());
            self.given.push(Given { key: key.to_owned(), flag: flag.to_owned(), value });
        }
        self
    }

    /// Each key that a flag sets, whether it was given or not, and the flag.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(key, flag)| (key.as_str(), flag.as_str()))
    }

    /// The names of the flags by the keys they set.
    pub(super) fn into_names(self) -> BTreeMap<String, String> {
        self.names
    }

    pub(super) fn apply(&self, keys: &mut Keys, problems: &mut Vec<Problem>) {
        for Given { key, flag, value } in &self.given {
            let origin = Origin::Flag(flag.clone());
            let outcome = match value {
                Ok(Value::String(text)) => keys.set_text(key, text, origin),
                Ok(other) => keys.set(key, other.clone(), origin),
                Err(reason) => Err(Problem::WrongValue { key: key.clone(), origin, reason: reason.clone() }),
            };
            problems.extend(outcome.err());
        }
    }
}
