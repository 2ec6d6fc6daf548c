//! The layer of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::Problem;
use super::keys::{Keys, PREFIX};
use super::origin::Origin;
use super::service_links::ServiceLinks;

/// The prefix of variables that configure test runs.
const TEST_PREFIX: &str = "INRUSH_TEST_";

/// Sets the keys that variables set.
pub(super) fn apply(
    variables: Vec<(OsString, OsString)>,
    reserved: &[String],
    keys: &mut Keys,
    problems: &mut Vec<Problem>,
) {
    // Sorted, so that errors have a fixed order.
    let ours: BTreeMap<String, OsString> = variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX))
        .filter(|(name, value)| !reserved.contains(name) && !value.is_empty())
        .collect();
    let links = ServiceLinks::among(&ours);
    for (name, value) in &ours {
        let Some(text) = value.to_str() else {
            problems.push(Problem::NotText { variable: name.clone() });
            continue;
        };
        if links.include(name, text) {
            continue;
        }
        let outcome = match keys.path_of_variable(name).map(str::to_owned) {
            Some(path) => keys.set_text(&path, text, Origin::Variable(name.clone())),
            None => Err(keys.unknown_variable(name)),
        };
        problems.extend(outcome.err());
    }
}
