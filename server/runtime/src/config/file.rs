//! The layer of the TOML file.

use std::path::Path;

use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use super::error::Problem;
use super::keys::{Keys, join};
use super::origin::Origin;

/// Gives the keys what the file says.
pub(super) fn apply(path: &Path, keys: &mut Keys, problems: &mut Vec<Problem>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::UnreadableFile { path: path.to_owned(), reason: error.to_string() });
            return;
        }
    };
    // Read twice: once for the values, once for the lines they stand in.
    match (toml::from_str::<Table>(&text), DeTable::parse(&text)) {
        (Ok(values), Ok(places)) => {
            let mut layer = FileLayer { path, text: &text, keys, problems };
            layer.table("", &values, places.get_ref());
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
    fn table(&mut self, table: &str, values: &Table, places: &DeTable<'_>) {
        // In the order of the file, so that mistakes are reported from top to bottom.
        let mut entries: Vec<_> = places.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, place) in entries {
            let key = join(table, name.get_ref());
            let origin = self.origin(name);
            match values.get(name.get_ref().as_ref()) {
                Some(Value::Table(inner)) if self.keys.is_table(&key) => {
                    if let Some(inner_places) = place.get_ref().as_table() {
                        self.table(&key, inner, inner_places);
                    }
                }
                Some(_) if self.keys.is_table(&key) => self.problems.push(Problem::NotATable { key, origin }),
                Some(value) => self.problems.extend(self.keys.set(&key, value.clone(), origin).err()),
                None => {}
            }
        }
    }

    fn origin<T>(&self, place: &Spanned<T>) -> Origin {
        let before = self.text.get(..place.span().start).unwrap_or(self.text);
        Origin::File { path: self.path.to_owned(), line: before.matches('\n').count() + 1 }
    }
}
