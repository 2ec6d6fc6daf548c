//! The configuration file: settings by their names, in JSON or TOML.

use std::{fs, path::Path};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::settings::Settings;
use crate::{nearest, problem::Problem};

/// The settings of a file, with those of the command line over them.
///
/// # Errors
/// When the file cannot be read, or says something that is no setting.
pub(super) fn under(flags: &Settings, path: &Path) -> Result<Settings, Problem> {
    let mut settings = read(path)?;
    let flags = flags.given().map_err(|error| broken(path, "", &error))?;
    settings.extend(flags);
    Settings::deserialize(Value::Object(settings)).map_err(|error| broken(path, "", &error))
}

fn read(path: &Path) -> Result<Map<String, Value>, Problem> {
    let text = fs::read_to_string(path).map_err(|error| {
        Problem::new(
            format!("--config {} cannot be read: {error}", path.display()),
            "give the path of a JSON or TOML file",
        )
    })?;
    let mut settings = Map::new();
    let names = Settings::names().map_err(|error| broken(path, "", &error))?;
    for (key, value) in parse(path, &text)? {
        let name = known(path, &names, &key)?;
        check(path, name, &value)?;
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, Problem> {
    let shown = path.display();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_lowercase().as_str() {
        "json" => serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::new(format!("{shown}:{line}:{column}: {error}"), "make it a JSON object of settings")
        }),
        "toml" => toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            Problem::new(format!("{shown}:{line}: {}", error.message()), "make it a TOML table of settings")
        }),
        _ => Err(Problem::new(
            format!("--config {shown} is neither a .json nor a .toml file"),
            "write the settings as JSON or TOML, and name the file so",
        )),
    }
}

/// The setting that a key means. As in ghz, upper and lower case make no difference.
fn known<'a>(path: &Path, names: &'a [String], key: &str) -> Result<&'a str, Problem> {
    names.iter().map(String::as_str).find(|name| name.eq_ignore_ascii_case(key)).ok_or_else(|| {
        let hint = nearest::hint(key, names.iter().map(String::as_str));
        Problem::new(
            format!("{}: {key:?} is no setting{hint}", path.display()),
            "use the long names of flags, without their dashes: see inrush-loadtest call --help",
        )
    })
}

fn check(path: &Path, name: &str, value: &Value) -> Result<(), Problem> {
    let alone = Map::from_iter([(name.to_owned(), value.clone())]);
    match Settings::deserialize(Value::Object(alone)) {
        Ok(_) => Ok(()),
        Err(error) => Err(broken(path, name, &error)),
    }
}

fn broken(path: &Path, name: &str, error: &serde_json::Error) -> Problem {
    Problem::new(
        format!("{}: {name}: {error}", path.display()),
        format!("write it as --{name} takes it: see inrush-loadtest call --help"),
    )
}
