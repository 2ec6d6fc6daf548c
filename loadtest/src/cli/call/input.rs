//! The method and its messages, from the settings.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use http::HeaderMap;
use inrush_transport::{Endpoint, Error};

use super::settings::{ImportPaths, Input, JsonText};
use crate::{
    message::{Data, Given, Templates, plain_metadata},
    target::{Source, Target},
};

/// The value of `--data` that reads standard input.
const STANDARD_INPUT: &str = "@";

/// An empty message in JSON.
const EMPTY: &str = "{}";

/// Finds the method to call.
pub(super) fn target(input: &Input, endpoint: &Endpoint) -> Result<Target, Error> {
    let Some(call) = input.call.as_deref().filter(|call| !call.trim().is_empty()) else {
        return Err(Error::new("the method is missing", "pass it with --call package.Service/Method"));
    };
    Target::find(call, &source(input, endpoint)?)
}

fn source(input: &Input, endpoint: &Endpoint) -> Result<Source, Error> {
    let path = |name: &Option<String>| {
        name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(PathBuf::from)
    };
    if let Some(file) = path(&input.proto) {
        let folders = input.import_paths.iter().flat_map(|ImportPaths(folders)| folders);
        return Ok(Source::Proto { file, imports: folders.map(PathBuf::from).collect() });
    }
    if let Some(file) = path(&input.protoset) {
        return Ok(Source::ProtoSet { file });
    }
    Ok(Source::Reflection { endpoint: Box::new(endpoint.clone()), metadata: reflect_metadata(input)? })
}

fn reflect_metadata(input: &Input) -> Result<HeaderMap, Error> {
    let Some(JsonText(text)) = &input.reflect_metadata else { return Ok(HeaderMap::new()) };
    plain_metadata(text).map_err(|error| {
        Error::new(
            format!("--reflect-metadata: {error}"),
            "write it as a JSON object of strings, such as {\"token\":\"secret\"}",
        )
    })
}

/// Reads the messages. If there are several sources, the last one in ghz's order is used: data, its file, binary data,
/// its file.
pub(super) fn data(input: &Input) -> Result<Data, Error> {
    if let Some(path) = &input.binary_file {
        let content = read("--binary-file", path)?;
        return Ok(Data::Binary(Given { source: format!("--binary-file {}", path.display()), content }));
    }
    if input.binary.unwrap_or(false) {
        let content = standard_input("--binary")?;
        return Ok(Data::Binary(Given { source: "--binary on standard input".to_owned(), content }));
    }
    let json = |source: String, content: String| Ok(Data::Json(Given { source, content }));
    match (&input.data, &input.data_file) {
        (Some(JsonText(text)), _) if text == STANDARD_INPUT => {
            let source = "--data @ on standard input".to_owned();
            json(source.clone(), to_text(&source, standard_input("--data @")?)?)
        }
        (_, Some(path)) => {
            let source = format!("--data-file {}", path.display());
            json(source.clone(), to_text(&source, read("--data-file", path)?)?)
        }
        (Some(JsonText(text)), None) => json("--data".to_owned(), text.clone()),
        (None, None) => json("--data".to_owned(), EMPTY.to_owned()),
    }
}

/// Reads the metadata, from its file if there is one.
pub(super) fn metadata(input: &Input) -> Result<Option<Given<String>>, Error> {
    let given = match (&input.metadata, &input.metadata_file) {
        (_, Some(path)) => {
            let source = format!("--metadata-file {}", path.display());
            Some(Given { content: to_text(&source, read("--metadata-file", path)?)?, source })
        }
        (Some(JsonText(text)), None) => {
            Some(Given { source: "--metadata".to_owned(), content: text.clone() })
        }
        (None, None) => None,
    };
    Ok(given.filter(|given| !given.content.trim().is_empty()))
}

/// How templates are treated.
pub(super) fn templates(input: &Input) -> Templates {
    match (input.disable_template_data.unwrap_or(false), input.disable_template_functions.unwrap_or(false)) {
        (true, _) => Templates::Text,
        (false, true) => Templates::WithoutFunctions,
        (false, false) => Templates::Evaluated,
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| {
        Error::new(format!("cannot read {flag} {}: {error}", path.display()), "pass the path of a file")
    })
}

fn standard_input(flag: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| {
        Error::new(format!("{flag}: cannot read standard input: {error}"), "pass the data in a file")
    })?;
    Ok(bytes)
}

fn to_text(source: &str, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(
            format!("{source} is not text: byte {at} is not UTF-8"),
            "write JSON in UTF-8; for encoded messages use --binary or --binary-file",
        )
    })
}
