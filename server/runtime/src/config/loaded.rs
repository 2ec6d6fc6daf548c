//! Loaded settings, and where each of them came from.

use std::collections::BTreeMap;

use super::keys::variable_of;
use super::origin::Origin;
use super::print;
use super::tree::Node;

/// Settings with the origin of every key.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub value: T,
    tree: Node,
    origins: BTreeMap<String, Origin>,
    flags: BTreeMap<String, String>,
}

impl<T> Loaded<T> {
    pub(super) fn new(
        value: T,
        tree: Node,
        origins: BTreeMap<String, Origin>,
        flags: BTreeMap<String, String>,
    ) -> Self {
        Self { value, tree, origins, flags }
    }

    /// Where the value of a key (`front.listen`) came from; none if there is no such key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// How a user changes a key, for messages that tell them to: "`front.listen` (flag --listen, variable
    /// INRUSH_FRONT_LISTEN)".
    #[must_use]
    pub fn how_to_set(&self, key: &str) -> String {
        let flag = self.flags.get(key).map(|flag| format!("flag {flag}, ")).unwrap_or_default();
        format!("`{key}` ({flag}variable {})", variable_of(key))
    }

    /// The effective configuration as TOML, every line with its origin, secrets hidden. It can be used as a
    /// configuration file once secrets are taken out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::to_toml(&self.tree, &self.origins)
    }
}
