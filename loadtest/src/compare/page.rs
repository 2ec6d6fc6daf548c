//! Both sides on one page of HTML.

use super::{picture::picture, run::Comparison, text::rows};
use crate::{
    report::markup::Markup,
    rig::page::{document, picture as show},
};

/// The page.
pub fn page(comparison: &Comparison) -> String {
    let title = "The same rush, without and with a queue";
    document(title, |body| {
        body.text_element("h1", &[], title);
        let began = humantime::format_rfc3339_seconds(comparison.began);
        body.text_element("p", &[("class", &"lead")], format!("inrush-loadtest compare, {began}"));
        show(body, &picture(comparison));
        body.text_element("h2", &[], "In figures");
        figures(body, comparison);
        body.text_element("h2", &[], "The order system");
        body.text_element("p", &[], MODEL);
    })
}

/// What the comparison rests on.
const MODEL: &str = "A model, called over real gRPC: some workers take orders from one queue, first come first served, and \
    are busy with each for a service time. They are not told when a buyer has gone, and make its order all the same. A ticket \
    that has an order already, or for which no unit is left, costs a look-up only. Buyers are the same on both sides: they wait \
    as long for an answer, and try again as often.";

fn figures(body: &mut Markup, comparison: &Comparison) {
    body.element("table", &[], |table| {
        table.element("tr", &[], |row| {
            row.text_element("th", &[], "");
            row.text_element("th", &[("class", &"number")], "straight at it");
            row.text_element("th", &[("class", &"number")], "through Inrush");
        });
        for (name, straight, through) in rows(comparison) {
            table.element("tr", &[], |row| {
                row.text_element("th", &[], name);
                row.text_element("td", &[("class", &"number")], straight);
                row.text_element("td", &[("class", &"number")], through);
            });
        }
    });
}
