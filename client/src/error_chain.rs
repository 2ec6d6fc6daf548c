//! What an error and its causes say.

use std::error::Error;

/// Advice for failures whose own words leave a stranger at a loss.
const ADVICE: [(&str, &str); 4] = [
    ("UnknownIssuer", "the server's certificate was not issued by the configured CA"),
    // What a CA of the same name with another key leads to.
    ("BadSignature", "the server's certificate was not issued by the configured CA"),
    ("certificate not valid for name", "set the TLS domain name to a name in the server's certificate"),
    ("CertificateRequired", "the server asks for a client certificate"),
];

/// All that an error and its causes say, each thing once, with advice where there is any.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for text in chain(error).map(ToString::to_string) {
        // "transport error" is what every one of them is.
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

/// An error and its causes, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
