//! The method and its messages, from the settings.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use http::HeaderMap;

use super::settings::{ImportPaths, Input};
use crate::{
    message::{Data, Given, Templates, plain_metadata},
    problem::Problem,
    target::{Source, Target},
    transport::Endpoint,
};

/// What `--data` is given as to read standard input.
const STANDARD_INPUT: &str = "@";

/// What an empty message is in JSON.
const EMPTY: &str = "{}";

/// The method that is called.
pub(super) fn target(input: &Input, endpoint: &Endpoint) -> Result<Target, Problem> {
    let Some(call) = input.call.as_deref().filter(|call| !call.trim().is_empty()) else {
        return Err(Problem::new("no method is given", "name one with --call package.Service/Method"));
    };
    Target::find(call, &source(input, endpoint)?)
}

fn source(input: &Input, endpoint: &Endpoint) -> Result<Source, Problem> {
    let named = |name: &Option<String>| {
        name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(PathBuf::from)
    };
    if let Some(file) = named(&input.proto) {
        let folders = input.import_paths.iter().flat_map(|ImportPaths(folders)| folders);
        return Ok(Source::Proto { file, imports: folders.map(PathBuf::from).collect() });
    }
    if let Some(file) = named(&input.protoset) {
        return Ok(Source::ProtoSet { file });
    }
    Ok(Source::Reflection { endpoint: Box::new(endpoint.clone()), metadata: reflect_metadata(input)? })
}

fn reflect_metadata(input: &Input) -> Result<HeaderMap, Problem> {
    let Some(given) = &input.reflect_metadata else { return Ok(HeaderMap::new()) };
    plain_metadata(&given.0).map_err(|error| {
        Problem::new(
            format!("--reflect-metadata: {error}"),
            "write it as a JSON object of strings, such as {\"token\":\"secret\"}",
        )
    })
}

/// The messages. Of several sources the last one in ghz's order counts: data, its file, binary data, its file.
pub(super) fn data(input: &Input) -> Result<Data, Problem> {
    if let Some(path) = &input.binary_file {
        let content = read("--binary-file", path)?;
        return Ok(Data::Binary(Given { place: format!("--binary-file {}", path.display()), content }));
    }
    if input.binary.unwrap_or(false) {
        let content = standard_input("--binary")?;
        return Ok(Data::Binary(Given { place: "--binary on standard input".to_owned(), content }));
    }
    let json = |place: String, content: String| Ok(Data::Json(Given { place, content }));
    match (&input.data, &input.data_file) {
        (Some(given), _) if given.0 == STANDARD_INPUT => {
            let place = "--data @ on standard input".to_owned();
            json(place.clone(), text(&place, standard_input("--data @")?)?)
        }
        (_, Some(path)) => {
            let place = format!("--data-file {}", path.display());
            json(place.clone(), text(&place, read("--data-file", path)?)?)
        }
        (Some(given), None) => json("--data".to_owned(), given.0.clone()),
        (None, None) => json("--data".to_owned(), EMPTY.to_owned()),
    }
}

/// The metadata, from its file if there is one.
pub(super) fn metadata(input: &Input) -> Result<Option<Given<String>>, Problem> {
    let given = match (&input.metadata, &input.metadata_file) {
        (_, Some(path)) => {
            let place = format!("--metadata-file {}", path.display());
            Some(Given { content: text(&place, read("--metadata-file", path)?)?, place })
        }
        (Some(given), None) => Some(Given { place: "--metadata".to_owned(), content: given.0.clone() }),
        (None, None) => None,
    };
    Ok(given.filter(|given| !given.content.trim().is_empty()))
}

/// What templates are taken for.
pub(super) fn templates(input: &Input) -> Templates {
    match (input.disable_template_data.unwrap_or(false), input.disable_template_functions.unwrap_or(false)) {
        (true, _) => Templates::Text,
        (false, true) => Templates::WithoutFunctions,
        (false, false) => Templates::Evaluated,
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| {
        Problem::new(format!("{flag} {} cannot be read: {error}", path.display()), "give the path of a file")
    })
}

fn standard_input(flag: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| {
        Problem::new(format!("{flag}: standard input cannot be read: {error}"), "give the data in a file")
    })?;
    Ok(bytes)
}

fn text(place: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(
            format!("{place} is not text: byte {at} is not UTF-8"),
            "write JSON in UTF-8; for encoded messages use --binary or --binary-file",
        )
    })
}
