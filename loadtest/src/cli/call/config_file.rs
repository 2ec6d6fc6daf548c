//! The configuration file: settings by name, in JSON or TOML.

use std::{fs, path::Path};

use inrush_simulation::nearest;
use inrush_transport::Error;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::settings::Settings;

/// The settings of a file, overridden by the flags.
///
/// # Errors
/// If the file cannot be read, or contains an unknown or invalid setting.
pub(super) fn merge(flags: &Settings, path: &Path) -> Result<Settings, Error> {
    let mut settings = read(path)?;
    let flags = flags.set().map_err(|error| invalid(path, "", &error))?;
    settings.extend(flags);
    Settings::deserialize(Value::Object(settings)).map_err(|error| invalid(path, "", &error))
}

fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(
            format!("cannot read --config {}: {error}", path.display()),
            "pass the path of a JSON or TOML file",
        )
    })?;
    let mut settings = Map::new();
    let names = Settings::names().map_err(|error| invalid(path, "", &error))?;
    for (key, value) in parse(path, &text)? {
        let name = setting_name(path, &names, &key)?;
        check(path, name, &value)?;
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, Error> {
    let shown = path.display();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_lowercase().as_str() {
        "json" => serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::new(format!("{shown}:{line}:{column}: {error}"), "write a JSON object of settings")
        }),
        "toml" => toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            Error::new(format!("{shown}:{line}: {}", error.message()), "write a TOML table of settings")
        }),
        _ => Err(Error::new(
            format!("--config {shown} is neither a .json nor a .toml file"),
            "write the settings as JSON or TOML, in a file with that extension",
        )),
    }
}

/// The setting of a key. As in ghz, case is ignored.
fn setting_name<'a>(path: &Path, names: &'a [String], key: &str) -> Result<&'a str, Error> {
    names.iter().map(String::as_str).find(|name| name.eq_ignore_ascii_case(key)).ok_or_else(|| {
        let hint = nearest::hint(key, names.iter().map(String::as_str));
        Error::new(
            format!("{}: unknown setting {key:?}{hint}", path.display()),
            "use the long names of flags, without their dashes: see inrush-loadtest call --help",
        )
    })
}

fn check(path: &Path, name: &str, value: &Value) -> Result<(), Error> {
    let setting = Map::from_iter([(name.to_owned(), value.clone())]);
    match Settings::deserialize(Value::Object(setting)) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(path, name, &error)),
    }
}

fn invalid(path: &Path, name: &str, error: &serde_json::Error) -> Error {
    Error::new(
        format!("{}: {name}: {error}", path.display()),
        format!("write a value that --{name} accepts: see inrush-loadtest call --help"),
    )
}
