//! `inrush config`: the effective configuration with the source of each value.

use inrush_runtime::config::Loaded;
use serde_json::{Value, json};

use crate::{
    output::{Output, Render},
    settings::Settings,
};

/// Prints the configuration.
///
/// # Errors
/// If it cannot be printed.
pub(crate) fn print(settings: &Loaded<Settings>, json: bool) -> anyhow::Result<()> {
    let tree = serde_json::to_value(&settings.value)?;
    Ok(Output::new(json).show(&Effective { settings, tree })?)
}

struct Effective<'a> {
    settings: &'a Loaded<Settings>,
    tree: Value,
}

impl Render for Effective<'_> {
    fn text(&self, _output: &Output) -> String {
        self.settings.to_toml().trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let mut entries = Vec::new();
        self.collect("", &self.tree, &mut entries);
        entries.into()
    }
}

impl Effective<'_> {
    /// Collects the keys below a table. A map with free names is one key.
    fn collect(&self, key: &str, value: &Value, entries: &mut Vec<Value>) {
        if let Some(origin) = self.settings.origin(key) {
            entries.push(json!({ "key": key, "value": value, "origin": origin.to_string() }));
        } else if let Value::Object(fields) = value {
            for (name, field) in fields {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                self.collect(&key, field, entries);
            }
        }
    }
}
