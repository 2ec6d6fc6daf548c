//! New keys that sign tickets.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use inrush_core::Keyring;
use serde_json::{Value, json};

use crate::{
    cli::ticket::NewKey,
    error,
    output::{Output, Render},
};

/// File permissions: readable and writable by the owner only.
const OWNER_ONLY: u32 = 0o600;

/// Makes a key and prints it, or writes it to a new file.
///
/// # Errors
/// If the file exists already or cannot be written.
pub(super) fn make(new_key: &NewKey, output: &Output) -> anyhow::Result<()> {
    let key = Keyring::new_key(new_key.id);
    let Some(path) = &new_key.out else {
        return Ok(output.show(&Printed { key })?);
    };
    write(path, &key)?;
    Ok(output.show(&Written { path })?)
}

fn write(path: &Path, key: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
        .and_then(|mut file| writeln!(file, "{key}"))
        .map_err(|error| {
            error::usage(
                format!("cannot write the key to {}: {error}", path.display()),
                "name a new file; keys that are in use are never overwritten",
            )
        })
}

/// Only the key, so that the output is a valid key file.
struct Printed {
    key: String,
}

impl Render for Printed {
    fn text(&self, _output: &Output) -> String {
        self.key.clone()
    }

    fn json(&self) -> Value {
        json!({ "key": self.key })
    }
}

struct Written<'a> {
    path: &'a Path,
}

impl Render for Written<'_> {
    fn text(&self, _output: &Output) -> String {
        format!(
            "wrote {0}\nuse it with `inrush front --ticket-keys-file {0}`, the same file for every front",
            self.path.display()
        )
    }

    fn json(&self) -> Value {
        json!({ "keys_file": self.path.display().to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket.keys");
        write(&path, &Keyring::new_key(7)).unwrap();
        assert!(Keyring::parse(&fs::read_to_string(&path).unwrap()).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        let before = fs::read(&path).unwrap();
        assert!(write(&path, &Keyring::new_key(8)).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
