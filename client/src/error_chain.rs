//! The text of an error and its sources.

use std::error::Error;

/// Advice for errors whose own text does not help.
const ADVICE: [(&str, &str); 4] = [
    ("UnknownIssuer", "the server's certificate was not issued by the configured CA"),
    // The error for a CA of the same name with another key.
    ("BadSignature", "the server's certificate was not issued by the configured CA"),
    ("certificate not valid for name", "set the TLS domain name to a name in the server's certificate"),
    ("CertificateRequired", "the server asks for a client certificate"),
];

/// The texts of an error and its sources, without repetition, and with advice if there is any.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for text in chain(error).map(ToString::to_string) {
        // The same text for every transport error.
        if text == "transport error" || words.contains(&text) {
            continue;
        }
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&text);
    }
    match ADVICE.iter().find(|(sign, _)| words.contains(sign)) {
        Some((_, advice)) => format!("{words}; {advice}"),
        None => words,
    }
}

/// An error and its sources, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
