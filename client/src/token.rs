//! The bearer token of the caller.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use crate::connect_error::ConnectError;

/// The interval at which a token file is read again. Rotated tokens are valid for many minutes, so this is
/// soon enough.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// The maximum size of a token, in bytes: HTTP/2 header lists are limited too, commonly to 16 KiB.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The source of a bearer token. Only sources that other users of the machine cannot read: not the command
/// line, not the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// A file, read again at an interval, to follow the rotation of the token.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl TokenSource {
    fn describe(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Environment(name) => format!("the environment variable {name}"),
        }
    }

    fn read(&self) -> Result<MetadataValue<Ascii>, ConnectError> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path).map_err(|source| ConnectError::File {
                what: "the bearer token",
                path: path.clone(),
                source,
            })?,
            Self::Environment(name) => env::var(name).map_err(|_| self.unusable("not set"))?,
        };
        self.header(&text)
    }

    fn header(&self, text: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
        let token = text.trim();
        if token.is_empty() {
            return Err(self.unusable("empty"));
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(self.unusable("longer than 8 KiB"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.unusable("contains characters that are not allowed in a token"));
        }
        let mut header = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| self.unusable("contains characters that are not allowed in a header"))?;
        // Keeps it out of debug output and of header compression tables.
        header.set_sensitive(true);
        Ok(header)
    }

    fn unusable(&self, problem: &'static str) -> ConnectError {
        ConnectError::Token { from: self.describe(), problem }
    }
}

/// A bearer token that follows its source.
#[derive(Debug)]
pub(crate) struct Token {
    source: TokenSource,
    header: RwLock<MetadataValue<Ascii>>,
    read_at: Instant,
    next_read_seconds: AtomicU64,
}

impl Token {
    pub(crate) fn load(source: TokenSource) -> Result<Self, ConnectError> {
        let header = RwLock::new(source.read()?);
        let next_read_seconds = AtomicU64::new(REFRESH_INTERVAL.as_secs());
        Ok(Self { source, header, read_at: Instant::now(), next_read_seconds })
    }

    /// The `authorization` header. Reads the file again when that is due; if that fails, logs it and keeps
    /// the last token.
    pub(crate) async fn header(&self) -> MetadataValue<Ascii> {
        if let TokenSource::File(path) = &self.source
            && self.should_refresh()
        {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| error.to_string());
            match text.and_then(|text| self.source.header(&text).map_err(|error| error.to_string())) {
                Ok(header) => *self.header.write().unwrap_or_else(|lock| lock.into_inner()) = header,
                Err(error) => {
                    tracing::warn!(error, "reading the bearer token again failed; using the last one");
                }
            }
        }
        self.header.read().unwrap_or_else(|lock| lock.into_inner()).clone()
    }

    /// True for exactly one caller after each refresh interval.
    fn should_refresh(&self) -> bool {
        let now = self.read_at.elapsed().as_secs();
        let due = self.next_read_seconds.load(Ordering::Relaxed);
        let next = now.saturating_add(REFRESH_INTERVAL.as_secs());
        now >= due
            && self
                .next_read_seconds
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rotated_file_is_read_and_an_invalid_one_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first\n").unwrap();
        let token = Token::load(TokenSource::File(path.clone())).unwrap();
        assert_eq!(token.header().await.to_str().unwrap(), "Bearer first");
        fs::write(&path, "second").unwrap();
        assert_eq!(token.header().await.to_str().unwrap(), "Bearer first", "not due yet");
        tokio::time::advance(REFRESH_INTERVAL).await;
        assert_eq!(token.header().await.to_str().unwrap(), "Bearer second");
        fs::write(&path, "").unwrap();
        tokio::time::advance(REFRESH_INTERVAL).await;
        assert_eq!(token.header().await.to_str().unwrap(), "Bearer second");
    }

    #[test]
    fn invalid_tokens_are_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in ["", "two words", "söcret", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            fs::write(&path, text).unwrap();
            let error = Token::load(TokenSource::File(path.clone())).unwrap_err().to_string();
            assert!(error.starts_with("invalid bearer token from") && !error.contains("söcret"), "{error}");
        }
        let missing = TokenSource::Environment("INRUSH_TEST_NO_SUCH_VARIABLE".into());
        let error = Token::load(missing).unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid bearer token from the environment variable INRUSH_TEST_NO_SUCH_VARIABLE: not set"
        );
    }

    #[tokio::test]
    async fn tokens_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hush").unwrap();
        let token = Token::load(TokenSource::File(path)).unwrap();
        assert!(!format!("{token:?}").contains("hush"), "{token:?}");
    }
}
