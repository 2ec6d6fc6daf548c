//! The URL of the order database, which never shows its password.

use std::{fmt, str::FromStr};

use anyhow::bail;
use serde::{Deserialize, Serialize};

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    /// SQLite in memory, gone when the process ends.
    Memory,
    /// SQLite in a file.
    SqliteFile,
    /// PostgreSQL.
    Postgres,
}

/// The order database's URL: `sqlite::memory:`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`.
///
/// Shown and serialized with `***` in place of a password. PostgreSQL's `PGPASSWORD` and `PGPASSFILE` are honoured
/// where the URL has none.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseUrl {
    url: String,
    kind: DatabaseKind,
}

impl DatabaseUrl {
    /// SQLite in memory: needs no file and is gone when the process ends.
    pub fn memory() -> Self {
        Self { url: "sqlite::memory:".to_owned(), kind: DatabaseKind::Memory }
    }

    /// Whether the data is gone when the process ends.
    pub fn is_memory(&self) -> bool {
        self.kind == DatabaseKind::Memory
    }

    pub(crate) fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The URL with its password. A missing SQLite file is created.
    pub(crate) fn for_connecting(&self) -> String {
        match self.kind {
            DatabaseKind::Memory => "sqlite::memory:".to_owned(),
            DatabaseKind::SqliteFile if !self.url.contains('?') => format!("{}?mode=rwc", self.url),
            DatabaseKind::SqliteFile | DatabaseKind::Postgres => self.url.clone(),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let kind = if let Some(path) = url.strip_prefix("sqlite:") {
            match path.trim_start_matches("//") {
                "" => {
                    bail!("database URL without a file; expected sqlite:PATH, or sqlite::memory: for a trial")
                }
                ":memory:" => DatabaseKind::Memory,
                path if path.contains("mode=memory") => {
                    bail!("unsupported database URL; for a database in memory use sqlite::memory:")
                }
                _ => DatabaseKind::SqliteFile,
            }
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            DatabaseKind::Postgres
        } else {
            // The text is not repeated, since it may contain a password.
            bail!("unsupported database URL; expected sqlite: or postgres://")
        };
        Ok(Self { url: url.to_owned(), kind })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self.kind {
            DatabaseKind::Memory | DatabaseKind::SqliteFile => self.url.clone(),
            DatabaseKind::Postgres => without_password(&self.url),
        })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = anyhow::Error;

    fn try_from(url: String) -> anyhow::Result<Self> {
        url.parse()
    }
}

/// Hides the password before the host, and in a `password` parameter.
fn without_password(url: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let parameters: Vec<String> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if name.contains("password") => format!("{name}=***"),
            Some(_) | None => parameter.to_owned(),
        })
        .collect();
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{scheme}://{rest}{mark}{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::{DatabaseKind, DatabaseUrl};

    #[test]
    fn kinds_are_distinguished() {
        for (url, kind) in [
            ("sqlite::memory:", DatabaseKind::Memory),
            ("sqlite://:memory:", DatabaseKind::Memory),
            ("sqlite:orders.db", DatabaseKind::SqliteFile),
            ("sqlite:///var/lib/orders.db", DatabaseKind::SqliteFile),
            ("postgres://orders@db/orders", DatabaseKind::Postgres),
            ("postgresql://orders@db/orders", DatabaseKind::Postgres),
        ] {
            assert_eq!(url.parse::<DatabaseUrl>().unwrap().kind(), kind, "{url}");
        }
        for url in ["", "sqlite:", "sqlite://", "mysql://db/orders", "orders.db", "sqlite:x?mode=memory"] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_missing_file_is_created_unless_the_url_says_otherwise() {
        let connecting = |url: &str| url.parse::<DatabaseUrl>().unwrap().for_connecting();
        assert_eq!(connecting("sqlite://:memory:"), "sqlite::memory:");
        assert_eq!(connecting("sqlite:a.db"), "sqlite:a.db?mode=rwc");
        assert_eq!(connecting("sqlite:a.db?mode=rw"), "sqlite:a.db?mode=rw");
        assert_eq!(connecting("postgres://db/orders"), "postgres://db/orders");
    }

    #[test]
    fn passwords_are_never_shown() {
        for (url, shown) in [
            ("postgres://me:secret@db:5432/orders", "postgres://me:***@db:5432/orders"),
            ("postgres://me:sec@ret@db/orders", "postgres://me:***@db/orders"),
            (
                "postgres://db/orders?user=me&password=secret&sslmode=require",
                "postgres://db/orders?user=me&password=***&sslmode=require",
            ),
            ("postgres://me@db/orders", "postgres://me@db/orders"),
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(String::from(url), shown);
        }
        let error = "mysql://me:secret@db/orders".parse::<DatabaseUrl>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
