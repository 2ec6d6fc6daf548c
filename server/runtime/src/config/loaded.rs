//! Loaded settings, and the origin of each key.

use std::collections::BTreeMap;

use super::keys::{join, variable_of};
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

    /// The origin of a key's value; `None` if the key is unknown.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// How to set a key, for the remedy of an error: "`front.listen` (flag --listen, variable INRUSH_FRONT_LISTEN)".
    #[must_use]
    pub fn how_to_set(&self, key: &str) -> String {
        let flag = self.flags.get(key).map(|flag| format!("flag {flag}, ")).unwrap_or_default();
        format!("`{key}` ({flag}variable {})", variable_of(key))
    }

    /// All keys, in the order of declaration.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        collect("", &self.tree, &mut settings);
        settings
    }

    /// The effective configuration as TOML, each line with its origin, secrets redacted. It is a valid configuration file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::to_toml(&self.tree, &self.origins)
    }
}

/// A key that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key's path, such as `front.listen`.
    pub key: String,
    /// The variable that sets it.
    pub variable: String,
    /// Its value as TOML, secrets redacted; `None` if it is not set.
    pub value: Option<String>,
}

fn collect(path: &str, node: &Node, settings: &mut Vec<Setting>) {
    match node {
        Node::Table(fields) => {
            for (name, field) in fields {
                collect(&join(path, name), field, settings);
            }
        }
        Node::Map(_) | Node::List(_) | Node::Scalar(_) | Node::Secret | Node::Unset => {
            let value = node.to_toml().map(|value| value.to_string());
            settings.push(Setting { key: path.to_owned(), variable: variable_of(path), value });
        }
    }
}
