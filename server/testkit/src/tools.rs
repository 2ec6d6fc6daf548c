//! Programs that `make test-tools` installs.

use std::path::{Path, PathBuf};

const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-tools/venv");

/// The path of a file in the virtual environment, for example `bin/python`.
///
/// # Panics
/// If it does not exist.
pub fn in_venv(path: &str) -> PathBuf {
    let path = Path::new(VENV).join(path);
    assert!(path.exists(), "{} is missing: run `make test-tools`", path.display());
    path
}
