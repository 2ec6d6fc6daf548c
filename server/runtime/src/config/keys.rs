//! The known keys, each with its current value and the layer that it is from.

use std::collections::BTreeMap;

use figment::value::{Dict, Empty, Value as FigmentValue};
use toml::Value;

use super::error::{ConfigError, Problem};
use super::origin::Origin;
use super::tree::Node;
use crate::nearest::nearest;

/// The prefix of every variable.
pub(super) const PREFIX: &str = "INRUSH_";

/// The kind of a key's value.
#[derive(Clone, Copy)]
enum Kind {
    /// One value: a string, number, boolean or secret.
    Scalar,
    /// A list.
    List,
    /// A map with free names.
    Map,
}

/// The state of a key.
struct Key {
    kind: Kind,
    value: Option<Value>,
    origin: Origin,
}

/// All keys by path (`front.batch_limit`), and the tables that hold them.
#[derive(Default)]
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
    tables: Vec<String>,
    variables: BTreeMap<String, String>,
}

impl Keys {
    /// The keys of a settings value, all at their defaults.
    pub(super) fn of(defaults: &Node) -> Result<Self, ConfigError> {
        let mut keys = Self::default();
        keys.collect("", defaults);
        for path in keys.keys.keys() {
            let variable = variable_of(path);
            if let Some(first) = keys.variables.insert(variable.clone(), path.clone()) {
                return Err(Problem::AmbiguousVariable { variable, first, second: path.clone() }.into());
            }
        }
        Ok(keys)
    }

    fn collect(&mut self, path: &str, node: &Node) {
        let kind = match node {
            Node::Table(fields) => {
                self.tables.push(path.to_owned());
                for (name, field) in fields {
                    self.collect(&join(path, name), field);
                }
                return;
            }
            Node::Map(_) => Kind::Map,
            Node::List(_) => Kind::List,
            Node::Scalar(_) | Node::Secret | Node::Unset => Kind::Scalar,
        };
        self.keys.insert(path.to_owned(), Key { kind, value: node.to_toml(), origin: Origin::Default });
    }

    /// The origin of each key's value.
    pub(super) fn into_origins(self) -> BTreeMap<String, Origin> {
        self.keys.into_iter().map(|(path, key)| (path, key.origin)).collect()
    }

    pub(super) fn is_table(&self, path: &str) -> bool {
        self.tables.iter().any(|table| table == path)
    }

    /// The key that a variable sets.
    pub(super) fn path_of_variable(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }

    /// Sets a known key.
    pub(super) fn set(&mut self, path: &str, value: Value, origin: Origin) -> Result<(), Problem> {
        match self.keys.get_mut(path) {
            Some(key) => {
                key.value = Some(value);
                key.origin = origin;
                Ok(())
            }
            None => Err(self.unknown(path, origin)),
        }
    }

    /// Sets a known key from the text of a variable or a flag.
    pub(super) fn set_text(&mut self, path: &str, text: &str, origin: Origin) -> Result<(), Problem> {
        let value = match self.keys.get(path).map(|key| key.kind) {
            Some(Kind::List) => Value::Array(split(text).map(Value::from).collect()),
            Some(Kind::Map) => match map_from_text(text) {
                Ok(map) => map,
                Err(reason) => return Err(Problem::InvalidValue { key: path.to_owned(), origin, reason }),
            },
            Some(Kind::Scalar) | None => Value::from(text),
        };
        self.set(path, value, origin)
    }

    /// The error of an unknown key.
    pub(super) fn unknown(&self, path: &str, origin: Origin) -> Problem {
        let known = self.keys.keys().chain(&self.tables).map(String::as_str);
        Problem::UnknownKey { key: path.to_owned(), origin, nearest: nearest(path, known).map(str::to_owned) }
    }

    /// The error of an unknown variable.
    pub(super) fn unknown_variable(&self, variable: &str) -> Problem {
        let known = self.variables.keys().map(String::as_str);
        Problem::UnknownVariable {
            variable: variable.to_owned(),
            nearest: nearest(variable, known).map(str::to_owned),
        }
    }

    /// All values as one nested dictionary, to be deserialised. A key that is not set is an empty value, since some fields
    /// cannot be missing.
    pub(super) fn to_figment(&self) -> FigmentValue {
        let mut root = Dict::new();
        for (path, key) in &self.keys {
            let value = key.value.as_ref().map_or_else(|| FigmentValue::from(Empty::None), to_figment);
            insert(&mut root, path, value);
        }
        for table in self.tables.iter().filter(|table| !table.is_empty()) {
            ensure_table(&mut root, table);
        }
        FigmentValue::from(root)
    }

    /// Adds the key and its origin to an error of deserialisation.
    pub(super) fn error(&self, error: &figment::Error) -> ConfigError {
        let path = error.path.join(".");
        let known = self.keys.iter().find(|(key, _)| path == **key || path.starts_with(&format!("{key}.")));
        let origin = known.map_or(Origin::Default, |(_, key)| key.origin.clone());
        Problem::InvalidValue { key: path, origin, reason: error.kind.to_string() }.into()
    }

    /// Rejects secrets that are set by value where others can read them.
    pub(super) fn check_secrets(&self, loaded: &Node) -> Result<(), ConfigError> {
        let exposed = self.keys.iter().filter(|(path, key)| {
            matches!(key.origin, Origin::File { .. } | Origin::Flag(_)) && holds_secret(loaded, path)
        });
        let problems = exposed.map(|(path, key)| Problem::ExposedSecret {
            key: path.clone(),
            origin: key.origin.clone(),
            variable: variable_of(path),
        });
        ConfigError::from_problems(problems.collect())
    }
}

/// The variable of a key: `front.batch_limit` is `INRUSH_FRONT_BATCH_LIMIT`.
pub(super) fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// The path of a key inside a table; the outermost table has no name.
pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn map_from_text(text: &str) -> Result<Value, String> {
    let entries = split(text).map(|item| match item.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), Value::from(value.trim()))),
        None => Err(format!("`{item}` has no value: expected name=value, separated by commas")),
    });
    entries.collect::<Result<_, _>>().map(Value::Table)
}

fn holds_secret(node: &Node, path: &str) -> bool {
    let found = path.split('.').try_fold(node, |node, name| match node {
        Node::Table(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, field)| field),
        Node::Map(_) | Node::List(_) | Node::Scalar(_) | Node::Secret | Node::Unset => None,
    });
    found.is_some_and(contains_secret)
}

fn contains_secret(node: &Node) -> bool {
    match node {
        Node::Secret => true,
        Node::Table(entries) | Node::Map(entries) => entries.iter().any(|(_, entry)| contains_secret(entry)),
        Node::List(items) => items.iter().any(contains_secret),
        Node::Scalar(_) | Node::Unset => false,
    }
}

fn insert(dict: &mut Dict, path: &str, value: FigmentValue) {
    match path.split_once('.') {
        None => {
            dict.insert(path.to_owned(), value);
        }
        Some((table, rest)) => {
            if let Some(inner) = table_in(dict, table) {
                insert(inner, rest, value);
            }
        }
    }
}

/// A table without keys must exist as well: it cannot be missing.
fn ensure_table(dict: &mut Dict, path: &str) {
    let (table, rest) = path.split_once('.').unwrap_or((path, ""));
    if let Some(inner) = table_in(dict, table)
        && !rest.is_empty()
    {
        ensure_table(inner, rest);
    }
}

fn table_in<'a>(dict: &'a mut Dict, name: &str) -> Option<&'a mut Dict> {
    let value = dict.entry(name.to_owned()).or_insert_with(|| FigmentValue::from(Dict::new()));
    match value {
        FigmentValue::Dict(_, inner) => Some(inner),
        _ => None,
    }
}

fn to_figment(value: &Value) -> FigmentValue {
    match value {
        Value::String(text) => FigmentValue::from(text.as_str()),
        Value::Integer(number) => FigmentValue::from(*number),
        Value::Float(number) => FigmentValue::from(*number),
        Value::Boolean(flag) => FigmentValue::from(*flag),
        Value::Datetime(time) => FigmentValue::from(time.to_string()),
        Value::Array(items) => FigmentValue::from(items.iter().map(to_figment).collect::<Vec<_>>()),
        Value::Table(entries) => {
            let entries = entries.iter().map(|(name, value)| (name.clone(), to_figment(value)));
            FigmentValue::from(entries.collect::<Dict>())
        }
    }
}
