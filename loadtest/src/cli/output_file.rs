//! The files that flags name, such as `--report`.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use inrush_transport::Error;

use super::console::print_error;

/// Creates the file of a flag, or keeps the one that exists, so that an invalid path is found before the run.
pub(super) fn check_writable(flag: &str, path: Option<&Path>) -> Result<(), Error> {
    match path.map(|path| (path, OpenOptions::new().append(true).create(true).open(path))) {
        Some((path, Err(error))) => Err(not_writable(flag, path, &error)),
        Some((_, Ok(_))) | None => Ok(()),
    }
}

/// Writes the file of a flag, and prints its path.
pub(super) fn save(flag: &str, path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| not_writable(flag, path, &error))?;
    print_error(format_args!("{} written to {}", flag.trim_start_matches('-'), path.display()));
    Ok(())
}

/// Writes the page of `--report`.
pub(super) fn save_page(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<(), Error> {
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = write(&mut text);
    save("--report", path, &String::from_utf8_lossy(&text))
}

/// The error of a file that cannot be written.
pub(super) fn not_writable(flag: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(
        format!("cannot write {flag} {}: {error}", path.display()),
        "name a file in an existing, writable folder",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_path_is_found_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/run.json");
        let error = check_writable("--json", Some(&path)).unwrap_err().to_string();
        assert!(error.contains("cannot write --json") && error.contains("missing/run.json"), "{error}");
        assert_eq!(check_writable("--json", None), Ok(()));
    }

    #[test]
    fn the_check_keeps_an_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, "earlier").unwrap();
        assert_eq!(check_writable("--json", Some(&path)), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        save("--json", &path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
