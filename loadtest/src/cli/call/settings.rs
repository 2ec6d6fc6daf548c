//! The settings of a run: flags of the command line and keys of the configuration file, with ghz's names.
//!
//! Every setting is optional, so that one source can override another. Defaults are applied where a setting is used, and
//! documented in its help.

mod flags;
mod text;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use flags::{
    Concurrency, Connection, Extensions, Input, Load, Output, Schedule, Security, StopAction, Streams,
};
pub(super) use text::{ImportPaths, JsonText};

/// All settings of a run.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    /// Server to call, as host:port
    #[arg(value_name = "HOST:PORT")]
    pub(super) host: Option<String>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) input: Input,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) security: Security,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: Load,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) concurrency: Concurrency,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) streams: Streams,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) output: Output,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) connection: Connection,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) extensions: Extensions,
}

impl Settings {
    /// The settings that have a value, by name.
    pub(super) fn set(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let mut all = self.by_name()?;
        all.retain(|_, value| !value.is_null());
        Ok(all)
    }

    /// The names of all settings.
    pub(super) fn names() -> Result<Vec<String>, serde_json::Error> {
        Ok(Self::default().by_name()?.into_iter().map(|(name, _)| name).collect())
    }

    fn by_name(&self) -> Result<Map<String, Value>, serde_json::Error> {
        match serde_json::to_value(self)? {
            Value::Object(all) => Ok(all),
            _ => Ok(Map::new()),
        }
    }
}
