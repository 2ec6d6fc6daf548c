//! The page around a body: its content policy, its style sheet and its script.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{chart::dark_style, markup::Markup};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A page with this title and body, and with the style sheet of all pages.
#[must_use]
pub fn document(title: &str, body: &Markup) -> String {
    let style = format!("{STYLE}{}", dark_style());
    let mut page = Markup::new();
    page.verbatim("<!doctype html>\n");
    page.element("html", &[("lang", &"en")], |html| {
        html.element("head", &[], |head| {
            head.leaf("meta", &[("charset", &"utf-8")]);
            let policy = policy(&style);
            head.leaf("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
            head.leaf("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
            head.leaf("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
            head.text_element("title", &[], title);
            head.element("style", &[], |inside| inside.verbatim(&style));
        });
        html.element("body", &[], |inside| {
            inside.verbatim(body.as_str());
            inside.element("script", &[], |script| script.verbatim(SCRIPT));
        });
    });
    page.verbatim("\n");
    page.as_str().to_owned()
}

/// Nothing is loaded from anywhere, and only this style sheet and this script count.
fn policy(style: &str) -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(SCRIPT)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}
