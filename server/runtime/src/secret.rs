//! Secrets: text that is used and never shown.
//!
//! A secret comes by value from an environment variable, or from a file that a second key names: `front.token` beside
//! `front.token_file`. Configuration files and command lines may only name the file, because others can read them;
//! [`config`](crate::config) refuses a secret given by value there.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// The longest secret file that is read, in bytes. Keys and tokens are far shorter; the bound keeps a wrong path
/// (a log, a device) from filling the memory.
const LONGEST_FILE: u64 = 64 * 1024;

/// Text that neither logs nor printed settings show. Use it as `Option<Secret>` in settings.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// What stands in place of a secret that is set.
    pub const SHOWN_AS: &'static str = "(set)";

    /// The name under which a secret serialises, by which settings recognise one.
    pub(crate) const TYPE_NAME: &'static str = "inrush::Secret";

    /// A secret with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret of a setting that may be given by value or as the path of a file, whose last line break is not part
    /// of it. `setting` is the key, such as `front.token`; the file's key is the same with `_file`.
    ///
    /// # Errors
    /// If both are given, or the file cannot be read, is empty, is too large or is not text.
    pub fn resolve(
        setting: &str,
        value: Option<&Self>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, SecretError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(SecretError::GivenTwice { setting: setting.to_owned() }),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(file)) => Self::read(setting, file).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn read(setting: &str, path: &Path) -> Result<Self, SecretError> {
        let wrong_file = |reason: String| SecretError::WrongFile {
            setting: setting.to_owned(),
            path: path.to_owned(),
            reason,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_FILE + 1).read_to_string(&mut text))
            .map_err(|error| wrong_file(error.to_string()))?;
        if text.len() as u64 > LONGEST_FILE {
            return Err(wrong_file(format!(
                "it is longer than {LONGEST_FILE} bytes, so it is hardly a secret"
            )));
        }
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.trim_end_matches('\r'));
        if secret.is_empty() {
            return Err(wrong_file("it is empty".to_owned()));
        }
        Ok(Self::new(secret))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Self::SHOWN_AS)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::TYPE_NAME, Self::SHOWN_AS)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Takes text only. What is no text is refused here, in words that do not repeat it as serde's own would.
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
            Secret::SHOWN_AS => Err(E::custom("`(set)` only stands for a secret: give the secret itself")),
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

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// By value and by file at once.
    #[error("`{setting}` and `{setting}_file` are both set: keep one of them")]
    GivenTwice {
        /// The secret's key.
        setting: String,
    },
    /// The file does not give a secret.
    #[error("`{setting}_file` names {}, which does not give a secret: {reason}", .path.display())]
    WrongFile {
        /// The secret's key.
        setting: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
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
    fn reads_text_only_and_repeats_nothing() {
        assert_eq!(serde_json::from_str::<Secret>("\"hunter2\"").unwrap().expose(), "hunter2");
        for refused in ["4711", "-4711", "47.11", "true", "\"\"", "\"(set)\"", "[4711]", "{\"a\":4711}"] {
            let message = serde_json::from_str::<Secret>(refused).unwrap_err().to_string();
            assert!(!message.contains("47"), "{message}");
        }
    }

    #[test]
    fn comes_by_value_or_from_a_file() {
        let file = file_with("hunter2\r\n");
        let value = Secret::new("by value");
        let resolve = |value, file| Secret::resolve("front.token", value, file).unwrap();
        assert_eq!(resolve(Some(&value), None).unwrap().expose(), "by value");
        assert_eq!(resolve(None, Some(file.path())).unwrap().expose(), "hunter2");
        assert!(resolve(None, None).is_none());
    }

    #[test]
    fn wrong_files_are_named_with_their_key() {
        let (empty, long) = (file_with("\n"), file_with(&"x".repeat(70_000)));
        for (path, reason) in [
            (empty.path(), "it is empty"),
            (long.path(), "longer than"),
            (Path::new("/nowhere"), "No such file"),
        ] {
            let message = Secret::resolve("front.token", None, Some(path)).unwrap_err().to_string();
            assert!(message.contains("`front.token_file` names /"), "{message}");
            assert!(message.contains(reason), "{message}");
        }
        let twice = Secret::resolve("front.token", Some(&Secret::new("x")), Some(empty.path())).unwrap_err();
        assert_eq!(twice.to_string(), "`front.token` and `front.token_file` are both set: keep one of them");
    }
}
