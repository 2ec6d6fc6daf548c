//! What was probably meant by a word that is not known.

/// Below this, two words have nothing to do with each other.
const LEAST_SIMILARITY: f64 = 0.6;

/// The known word that is most like `word`; none if no word is like it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &&'a str| (strsim::normalized_damerau_levenshtein(word, known), *known);
    let (similarity, known) =
        known.into_iter().map(|known| likeness(&known)).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (similarity >= LEAST_SIMILARITY).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("erors", ["errors", "mean"]), Some("errors"));
        assert_eq!(nearest("xyz", ["errors", "mean"]), None);
    }
}
