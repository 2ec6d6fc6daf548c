//! The known name that is most similar to an unknown one, for "did you mean".

/// The lowest similarity, from 0 to 1, of a suggestion. The settings of the servers (`inrush-runtime`) use the same.
const MIN_SIMILARITY: f64 = 0.6;

/// The candidate that is most similar to `word`, if one is similar enough. Case is ignored.
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
    fn suggests_a_similar_name_or_none() {
        let names = ["SayHello", "SayHellos", "SayHelloBidi"];
        assert_eq!(nearest("SayHelo", names), Some("SayHello"));
        assert_eq!(nearest("sayhellobid", names), Some("SayHelloBidi"));
        assert_eq!(nearest("erors", ["errors", "mean"]), Some("errors"));
        assert_eq!(nearest("Charge", names), None);
        assert_eq!(hint("Charge", names), "");
    }
}
