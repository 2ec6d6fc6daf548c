//! URLs of other servers, which may contain a password: `redis://inrush:secret@10.0.0.1:6379`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Shown instead of the password.
const HIDDEN: &str = "***";

/// A URL whose password is hidden in logs and printed settings.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConnectionUrl(String);

impl ConnectionUrl {
    /// A URL with this text. It is not validated: that is the client's part.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The whole URL, password included, for the client that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the URL contains a password, and so must not be on a command line.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password().is_some()
    }

    /// The text before the password, and after it.
    fn password(&self) -> Option<(&str, &str)> {
        let start = self.0.find("://")? + "://".len();
        let rest = self.0.get(start..)?;
        let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        // The last @ ends the credentials: a password may contain an unescaped one.
        let credentials = authority.get(..authority.rfind('@')?)?;
        let colon = credentials.find(':')?;
        let before = self.0.get(..=start + colon)?;
        let after = self.0.get(start + credentials.len()..)?;
        Some((before, after))
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.password() {
            Some((before, after)) => write!(formatter, "{before}{HIDDEN}{after}"),
            None => formatter.write_str(&self.0),
        }
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_string())
    }
}

impl Serialize for ConnectionUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&str> for ConnectionUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_hidden() {
        for (url, shown) in [
            ("redis://10.0.0.1:6379/0", "redis://10.0.0.1:6379/0"),
            ("redis://inrush@10.0.0.1:6379", "redis://inrush@10.0.0.1:6379"),
            ("redis://inrush:hunter2@10.0.0.1:6379/0", "redis://inrush:***@10.0.0.1:6379/0"),
            ("redis://:hunter2@10.0.0.1", "redis://:***@10.0.0.1"),
            ("postgres://a:hun@ter2@db/orders?x=y@z", "postgres://a:***@db/orders?x=y@z"),
            ("sqlite:/tmp/orders.db", "sqlite:/tmp/orders.db"),
            ("memory:", "memory:"),
        ] {
            let url = ConnectionUrl::from(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("{shown:?}"));
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
            assert_eq!(url.has_password(), shown.contains(HIDDEN));
        }
    }

    #[test]
    fn the_client_gets_the_whole_url() {
        let url: ConnectionUrl = serde_json::from_str("\"redis://:hunter2@10.0.0.1\"").unwrap();
        assert_eq!(url.expose(), "redis://:hunter2@10.0.0.1");
    }
}
