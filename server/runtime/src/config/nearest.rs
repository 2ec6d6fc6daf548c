//! Guesses which known name somebody meant.

/// How alike two names must be, from 0 to 1, before one is offered for the other. Below this a guess confuses more
/// than it helps: at 0.6 three of five letters still agree.
const LEAST_LIKENESS: f64 = 0.6;

/// What a name is worth that has the right last part in the wrong place: `listen` for `front.listen`.
const RIGHT_NAME_WRONG_PLACE: f64 = 0.8;

/// The known name most like the unknown one, if any is like it at all.
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (name, likeness(unknown, name)))
        .filter(|(_, likeness)| *likeness >= LEAST_LIKENESS)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(name, _)| name)
}

fn likeness(unknown: &str, known: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(unknown, known);
    let same_last_part = last_part(unknown) == last_part(known);
    if same_last_part { whole.max(RIGHT_NAME_WRONG_PLACE) } else { whole }
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn offers_the_likely_name_or_none() {
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
