//! A run as one page of HTML, which needs nothing but itself: it opens offline, and its content policy lets the browser
//! load nothing at all. Its script only reads values out of the charts; without it the page is complete.

mod head;
mod tables;

use std::{fmt::Display, io};

use super::{
    Report,
    chart::{Chart, Drawing, Size},
    format,
    markup::Markup,
    plots::plots,
};

pub use self::{head::document, tables::Headline};

/// Charts that span the page, and those that lie beside another.
const WIDE: Size = Size::new(1_060.0, 330.0);
const HALF: Size = Size::new(510.0, 330.0);

/// A part of the page that another command adds, such as what became of a sale.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// A paragraph below it; may be empty.
    pub text: String,
    /// Numbers to show large: a name, a value, and what to know about it.
    pub headlines: Vec<Headline>,
    /// Charts, from the upper left; those that are drawn wider than half the page span it.
    pub charts: Vec<Drawing>,
    /// Rows of a table; the first one is its head.
    pub table: Vec<Vec<String>>,
}

/// Writes the page of a run.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    write_with(report, &[], to)
}

/// Writes the page of a run with other sections above its own.
///
/// # Errors
/// When it cannot be written.
pub fn write_with(report: &Report, sections: &[Section], to: &mut dyn io::Write) -> io::Result<()> {
    let mut body = Markup::new();
    add_header(report, &mut body);
    body.element("main", &[], |main| {
        sections.iter().for_each(|section| add_section(section, main));
        if !sections.is_empty() {
            add_heading(main, &format!("Calls of {}", report.call));
        }
        add_run(report, main);
    });
    add_footer(&mut body);
    to.write_all(document(&title(report), &body).as_bytes())
}

fn title(report: &Report) -> String {
    report.name.as_ref().filter(|name| !name.is_empty()).unwrap_or(&report.call).clone()
}

fn add_header(report: &Report, body: &mut Markup) {
    let results = &report.results;
    body.element("header", &[], |header| {
        header.text_element("h1", &[], title(report));
        header.element("p", &[("class", &"facts")], |facts| {
            let date = humantime::format_rfc3339_seconds(results.started);
            facts.text_element("span", &[], &report.call);
            facts.text_element("span", &[], &report.host);
            facts.text_element("span", &[], date);
            facts.text_element("span", &[], format!("ran for {}", format::span(results.took)));
            facts.text_element("span", &[], if results.open_loop { "open loop" } else { "closed loop" });
            for (name, value) in &report.tags {
                facts.text_element("span", &[("class", &"tag")], format!("{name}: {value}"));
            }
        });
    });
}

fn add_footer(body: &mut Markup) {
    body.element("footer", &[], |footer| {
        footer.text_element(
            "p",
            &[("class", &"hint")],
            "Point at a chart, or move along it with the arrow keys, to read its values.",
        );
        footer.text_element("p", &[], concat!("Made by inrush-loadtest ", env!("CARGO_PKG_VERSION"), "."));
    });
}

fn add_run(report: &Report, main: &mut Markup) {
    add_headlines(&tables::headlines(report), main);
    tables::add_warnings(report, main);
    add_charts(&drawings(&plots(report)), main);
    add_heading(main, "Latency");
    tables::add_latencies(report, main);
    add_heading(main, "Outcomes");
    tables::add_outcomes(report, main);
    add_heading(main, "Run");
    tables::add_run(report, main);
}

/// The first two span the page, the others lie side by side; an odd one out at the end spans it, too.
fn drawings(charts: &[Box<dyn Chart>]) -> Vec<Drawing> {
    let count = charts.len();
    let size = |place: usize| match place {
        0 | 1 => WIDE,
        _ if count % 2 == 1 && place + 1 == count => WIDE,
        _ => HALF,
    };
    charts.iter().enumerate().map(|(place, chart)| chart.draw(size(place))).collect()
}

fn add_section(section: &Section, main: &mut Markup) {
    add_heading(main, &section.title);
    if !section.text.is_empty() {
        main.text_element("p", &[], &section.text);
    }
    add_headlines(&section.headlines, main);
    add_charts(&section.charts, main);
    if let [head, rows @ ..] = section.table.as_slice() {
        // Without names of columns these are values with notes.
        let named = head.iter().any(|name| !name.is_empty());
        let (class, head) = if named { ("numbers", head.as_slice()) } else { ("notes", &[][..]) };
        tables::add_table(main, class, head, rows);
    }
}

fn add_heading(main: &mut Markup, text: &str) {
    main.text_element("h2", &[], text);
}

fn add_headlines(headlines: &[Headline], main: &mut Markup) {
    if headlines.is_empty() {
        return;
    }
    main.element("dl", &[("class", &"headlines")], |list| {
        for headline in headlines {
            let class = if headline.alarming { "alarming" } else { "" };
            list.element("div", &[("class", &class)], |card| {
                card.text_element("dt", &[], &headline.name);
                card.text_element("dd", &[], &headline.value);
                card.text_element("dd", &[("class", &"note")], &headline.note);
            });
        }
    });
}

fn add_charts(drawings: &[Drawing], main: &mut Markup) {
    if drawings.is_empty() {
        return;
    }
    main.element("div", &[("class", &"charts")], |grid| {
        for drawing in drawings {
            let class: &dyn Display = if drawing.size().width > HALF.width { &"card wide" } else { &"card" };
            grid.element("figure", &[("class", class)], |card| {
                card.verbatim(drawing.for_page().as_str());
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn page(report: &Report, sections: &[Section]) -> String {
        let mut bytes = Vec::new();
        write_with(report, sections, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn input_never_becomes_markup() {
        let mut report = fixture::report();
        let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'";
        report.name = Some(hostile.to_owned());
        report.host = hostile.to_owned();
        report.call = hostile.to_owned();
        report.tags.insert(hostile.to_owned(), hostile.to_owned());
        report.options.insert(hostile.to_owned(), hostile.into());
        report.results.errors.count(hostile);
        let section = Section {
            title: hostile.to_owned(),
            text: hostile.to_owned(),
            headlines: vec![Headline {
                name: hostile.to_owned(),
                value: hostile.to_owned(),
                note: hostile.to_owned(),
                alarming: true,
            }],
            charts: Vec::new(),
            table: vec![vec![hostile.to_owned()]; 2],
        };
        let page = page(&report, &[section]);
        assert!(!page.contains("<img") && !page.contains("alert(1)</script>"));
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("&lt;img src=x onerror=alert(2)&gt;").count(), 17);
    }

    #[test]
    fn the_page_names_no_other_address() {
        let page = page(&fixture::report(), &[]);
        for link in ["http:", "https:", "url(", "@import", "<link", "<img", " src="] {
            assert!(!page.contains(link), "{link}");
        }
    }

    #[test]
    fn a_run_without_calls_has_a_page_as_well() {
        let mut report = fixture::report();
        report.results =
            crate::measure::Results::new(report.results.started, false, std::time::Duration::from_secs(1), 0);
        let page = page(&report, &[]);
        assert!(page.contains("No call ended"));
        assert!(!page.contains("NaN") && !page.contains("<svg"));
    }
}
