//! Counts errors by their text.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// Maximum number of different texts. A server that puts a request's number into each text would otherwise fill
/// the memory.
pub const MAX_ERROR_TEXTS: usize = 200;

/// Maximum length of a text, in bytes.
const MAX_TEXT_LENGTH: usize = 500;

const OTHERS: &str = "other errors, with texts of their own";

/// Counts errors by their text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorTexts(BTreeMap<Arc<str>, u64>);

impl ErrorTexts {
    /// Counts an error. Returns the text under which it was counted.
    pub fn count(&mut self, text: &str) -> Arc<str> {
        self.add(text, 1)
    }

    fn add(&mut self, text: &str, times: u64) -> Arc<str> {
        let text = shortened(text);
        let text = if self.0.contains_key(text) || self.0.len() < MAX_ERROR_TEXTS { text } else { OTHERS };
        if let Some((known, count)) =
            self.0.get_key_value(text).map(|(known, count)| (Arc::clone(known), *count))
        {
            self.0.insert(Arc::clone(&known), count + times);
            return known;
        }
        let known: Arc<str> = text.into();
        self.0.insert(Arc::clone(&known), times);
        known
    }

    /// Counts the errors of another.
    pub fn merge(&mut self, other: &Self) {
        for (text, &times) in &other.0 {
            self.add(text, times);
        }
    }

    /// Texts and counts, by text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(text, &count)| (text.as_ref(), count))
    }

    /// True if nothing went wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_LENGTH)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_in_number_and_length() {
        let mut errors = ErrorTexts::default();
        for number in 0..1_000 {
            errors.count(&format!("request {number} failed"));
        }
        errors.count(&"é".repeat(1_000));
        let known: Vec<(&str, u64)> = errors.iter().collect();
        assert_eq!(known.len(), MAX_ERROR_TEXTS + 1);
        assert_eq!(known.iter().map(|(_, count)| count).sum::<u64>(), 1_001);
        assert!(known.iter().all(|(text, _)| text.len() <= MAX_TEXT_LENGTH));
    }
}
