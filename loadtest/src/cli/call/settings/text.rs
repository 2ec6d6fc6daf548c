//! Settings that are text on the command line and structured values in a file.

use std::{convert::Infallible, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// JSON. In a file it is a value, or a string that contains JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct JsonText(pub String);

impl FromStr for JsonText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            value => value.to_string(),
        }))
    }
}

/// Folders, separated by commas. In a file they are a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImportPaths(pub Vec<String>);

impl FromStr for ImportPaths {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned).collect()))
    }
}

impl<'de> Deserialize<'de> for ImportPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}
