//! A page of HTML that needs nothing else: it opens offline, and may load nothing even if it wanted to.

use crate::report::{
    chart::{Drawing, dark_style},
    markup::Markup,
};

/// Nothing may be loaded or run; the page's own style is all it has.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = "\
:root { color-scheme: light dark; --ground: #fff; --text: #0f172a; --quiet: #64748b; --line: #e2e8f0; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f172a; --text: #e2e8f0; --quiet: #94a3b8; --line: #334155; --good: #4ade80; --bad: #f87171; }
}
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 64rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, Ubuntu, 'Helvetica Neue', Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
p.lead { margin: 0 0 1.5rem; color: var(--quiet); }
.verdict { display: inline-block; padding: .1rem .75rem; border-radius: .5rem; border: 2px solid; font-weight: 700; }
.good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.quiet, .quiet { color: var(--quiet); }
ul { margin: .25rem 0 0; padding-left: 1.2rem; }
svg.chart { width: 100%; height: auto; margin: .5rem 0 1.5rem; }
";

/// The page; `fill` adds what is in its body.
pub fn document(title: &str, fill: impl FnOnce(&mut Markup)) -> String {
    let mut page = Markup::new();
    page.verbatim("<!doctype html>\n");
    page.element("html", &[("lang", &"en")], |html| {
        html.element("head", &[], |head| {
            head.leaf("meta", &[("charset", &"utf-8")]);
            head.leaf("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &POLICY)]);
            head.leaf("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
            head.text_element("title", &[], title);
            head.element("style", &[], |style| {
                style.verbatim(STYLE);
                style.verbatim(&dark_style());
            });
        });
        html.element("body", &[], fill);
    });
    page.as_str().to_owned()
}

/// Adds a heading and the picture below it.
pub fn picture(body: &mut Markup, drawing: &Drawing) {
    body.verbatim(drawing.for_page().as_str());
}

/// Adds a table of names, values and remarks.
pub fn table<'a>(body: &mut Markup, rows: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) {
    body.element("table", &[], |table| {
        for (name, value, remark) in rows {
            table.element("tr", &[], |row| {
                row.text_element("th", &[], name);
                row.text_element("td", &[("class", &"number")], value);
                row.text_element("td", &[("class", &"quiet")], remark);
            });
        }
    });
}
