//! Reference pages of the documentation that are generated from the program. Tests keep them current.

use std::{env, fs, path::Path};

mod metrics;
mod settings;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// If this variable is set, the tests write the pages instead of checking them.
const WRITE_VARIABLE: &str = "INRUSH_TEST_WRITE_DOCS";

/// Checks that a page has this text, or writes it.
pub(crate) fn check_page(name: &str, page: &str) {
    let path = Path::new(DOCS).join(name);
    if env::var_os(WRITE_VARIABLE).is_some() {
        fs::create_dir_all(DOCS).unwrap();
        fs::write(&path, page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/{name} is not current: run this test with {WRITE_VARIABLE}=1");
}

/// A text as a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
