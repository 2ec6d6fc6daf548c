//! The known name that is most similar to an unknown one, for "did you mean".

/// The lowest similarity, from 0 to 1, of a suggestion. At 0.6 three of five letters are the same; below, suggestions confuse.
const MIN_SIMILARITY: f64 = 0.6;

/// The similarity of keys with the same last part: `listen` and `front.listen`.
const SAME_LAST_PART: f64 = 0.8;

/// The known name that is most similar to an unknown one, if one is similar enough.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (name, similarity(unknown, name)))
        .filter(|(_, similarity)| *similarity >= MIN_SIMILARITY)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(name, _)| name)
}

fn similarity(unknown: &str, known: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(unknown, known);
    let same_last_part = last_part(unknown) == last_part(known);
    if same_last_part { whole.max(SAME_LAST_PART) } else { whole }
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_a_similar_name_or_none() {
        let known = ["front.listen", "front.batch_limit", "admin.listen", "store.url"];
        for (unknown, expected) in [
            ("front.lisen", Some("front.listen")),
            ("font.listen", Some("front.listen")),
            ("front.batch-limit", Some("front.batch_limit")),
            ("url", Some("store.url")),
            ("fulfilment.url", Some("store.url")),
            ("colour", None),
        ] {
            assert_eq!(nearest(unknown, known), expected, "for {unknown}");
        }
    }
}
