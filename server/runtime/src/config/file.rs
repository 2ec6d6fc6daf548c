//! The layer of the TOML file.

use std::path::Path;

use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use super::error::Problem;
use super::keys::{Keys, join};
use super::origin::Origin;

/// Sets the keys that are in the file.
pub(super) fn apply(path: &Path, keys: &mut Keys, problems: &mut Vec<Problem>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::UnreadableFile { path: path.to_owned(), reason: error.to_string() });
            return;
        }
    };
    // Parsed twice: for the values, and for their lines.
    match (toml::from_str::<Table>(&text), DeTable::parse(&text)) {
        (Ok(values), Ok(spans)) => {
            let mut layer = FileLayer { path, text: &text, keys, problems };
            layer.table("", &values, spans.get_ref());
        }
        (Err(error), _) | (_, Err(error)) => {
            problems.push(Problem::InvalidFile {
                path: path.to_owned(),
                reason: error.to_string().trim_end().to_owned(),
            });
        }
    }
}

struct FileLayer<'a> {
    path: &'a Path,
    text: &'a str,
    keys: &'a mut Keys,
    problems: &'a mut Vec<Problem>,
}

impl FileLayer<'_> {
    fn table(&mut self, table: &str, values: &Table, spans: &DeTable<'_>) {
        // In the order of the file, and so are the errors.
        let mut entries: Vec<_> = spans.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, span) in entries {
            let key = join(table, name.get_ref());
            let origin = self.origin(name);
            match values.get(name.get_ref().as_ref()) {
                Some(Value::Table(inner)) if self.keys.is_table(&key) => {
                    if let Some(inner_spans) = span.get_ref().as_table() {
                        self.table(&key, inner, inner_spans);
                    }
                }
                Some(_) if self.keys.is_table(&key) => self.problems.push(Problem::NotATable { key, origin }),
                Some(value) => self.problems.extend(self.keys.set(&key, value.clone(), origin).err()),
                None => {}
            }
        }
    }

    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        let before = self.text.get(..spanned.span().start).unwrap_or(self.text);
        Origin::File { path: self.path.to_owned(), line: before.matches('\n').count() + 1 }
    }
}
