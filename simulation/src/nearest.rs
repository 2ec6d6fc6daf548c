//! Finds what was meant by a misspelt name.

/// How alike two names must be, from 0 to 1, for one to be proposed for the other.
const MIN_SIMILARITY: f64 = 0.6;

/// The candidate that is most like `word`, if any is like it at all. Upper and lower case make no difference.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase()), candidate)
        })
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "…"?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|found| format!("; did you mean {found:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let names = ["SayHello", "SayHellos", "SayHelloBidi"];
        assert_eq!(nearest("SayHelo", names), Some("SayHello"));
        assert_eq!(nearest("sayhellobid", names), Some("SayHelloBidi"));
        assert_eq!(nearest("erors", ["errors", "mean"]), Some("errors"));
        assert_eq!(nearest("Charge", names), None);
        assert_eq!(hint("Charge", names), "");
    }
}
