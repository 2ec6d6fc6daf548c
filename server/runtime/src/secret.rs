//! Secrets: text that is never shown.
//!
//! A secret is set by value in an environment variable, or by a second key with the path of a file: `front.token` and
//! `front.token_file`. Configuration files and command lines may only have the path, because others can read them;
//! [`config`](crate::config) rejects a secret by value there.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// The largest secret file, in bytes. Keys and tokens are far smaller; the bound protects memory from a wrong path (a log, a
/// device).
const MAX_FILE_SIZE: u64 = 64 * 1024;

/// Text that is redacted in logs and printed settings. Settings use it as `Option<Secret>`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Shown instead of a secret that is set.
    pub const REDACTED: &'static str = "(set)";

    /// The type name that a secret serialises with, by which settings recognise it.
    pub(crate) const TYPE_NAME: &'static str = "inrush::Secret";

    /// A secret with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret of a setting that is set by value or by the path of a file. The last line break of the file is removed.
    /// `setting` is the key, such as `front.token`; the key of the file has the suffix `_file`.
    ///
    /// # Errors
    /// If both are set, or the file cannot be read, is empty, too large or not text.
    pub fn resolve(
        setting: &str,
        value: Option<&Self>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, SecretError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(SecretError::SetTwice { setting: setting.to_owned() }),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(file)) => Self::read(setting, file).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn read(setting: &str, path: &Path) -> Result<Self, SecretError> {
        let invalid = |reason: String| SecretError::InvalidFile {
            setting: setting.to_owned(),
            path: path.to_owned(),
            reason,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_string(&mut text))
            .map_err(|error| invalid(error.to_string()))?;
        if text.len() as u64 > MAX_FILE_SIZE {
            return Err(invalid(format!("it is larger than {MAX_FILE_SIZE} bytes, so it is not a secret")));
        }
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.trim_end_matches('\r'));
        if secret.is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        Ok(Self::new(secret))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Self::REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::TYPE_NAME, Self::REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Accepts text only. Other values are rejected here, since serde's own errors would repeat them.
struct SecretVisitor;

impl SecretVisitor {
    fn not_text<E: de::Error>() -> Result<Secret, E> {
        Err(E::custom("a secret must be text: put it in quotes"))
    }
}

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        match text {
            "" => Err(E::custom("a secret must not be empty")),
            Secret::REDACTED => Err(E::custom("`(set)` is the redacted form: set the secret itself")),
            text => Ok(Secret::new(text)),
        }
    }

    fn visit_bool<E: de::Error>(self, _value: bool) -> Result<Secret, E> {
        Self::not_text()
    }

    fn visit_i64<E: de::Error>(self, _value: i64) -> Result<Secret, E> {
        Self::not_text()
    }

    fn visit_u64<E: de::Error>(self, _value: u64) -> Result<Secret, E> {
        Self::not_text()
    }

    fn visit_f64<E: de::Error>(self, _value: f64) -> Result<Secret, E> {
        Self::not_text()
    }
}

/// Why a secret cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Both the value and the file are set.
    #[error("`{setting}` and `{setting}_file` are both set: keep one of them")]
    SetTwice {
        /// The secret's key.
        setting: String,
    },
    /// The file does not contain a secret.
    #[error("invalid secret file {}, set in `{setting}_file`: {reason}", .path.display())]
    InvalidFile {
        /// The secret's key.
        setting: String,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "(set)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(set)\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn deserialises_text_only_and_errors_do_not_repeat_it() {
        assert_eq!(serde_json::from_str::<Secret>("\"hunter2\"").unwrap().expose(), "hunter2");
        for refused in ["4711", "-4711", "47.11", "true", "\"\"", "\"(set)\"", "[4711]", "{\"a\":4711}"] {
            let message = serde_json::from_str::<Secret>(refused).unwrap_err().to_string();
            assert!(!message.contains("47"), "{message}");
        }
    }

    #[test]
    fn resolves_from_a_value_or_a_file() {
        let file = file_with("hunter2\r\n");
        let value = Secret::new("by value");
        let resolve = |value, file| Secret::resolve("front.token", value, file).unwrap();
        assert_eq!(resolve(Some(&value), None).unwrap().expose(), "by value");
        assert_eq!(resolve(None, Some(file.path())).unwrap().expose(), "hunter2");
        assert!(resolve(None, None).is_none());
    }

    #[test]
    fn errors_name_the_file_and_its_key() {
        let (empty, long) = (file_with("\n"), file_with(&"x".repeat(70_000)));
        for (path, reason) in [
            (empty.path(), "it is empty"),
            (long.path(), "larger than"),
            (Path::new("/nowhere"), "No such file"),
        ] {
            let message = Secret::resolve("front.token", None, Some(path)).unwrap_err().to_string();
            assert!(message.contains("set in `front.token_file`"), "{message}");
            assert!(message.contains(reason), "{message}");
        }
        let twice = Secret::resolve("front.token", Some(&Secret::new("x")), Some(empty.path())).unwrap_err();
        assert_eq!(twice.to_string(), "`front.token` and `front.token_file` are both set: keep one of them");
    }
}
