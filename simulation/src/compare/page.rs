//! The comparison as a page of HTML, with the calls to Inrush.

use std::{collections::BTreeMap, io};

use inrush_report::{
    Report,
    page::{Section, write_with},
};
use serde_json::{Map, Value};

use super::{chart::comparison_chart, run::Comparison, text::rows};

/// The model of the comparison.
const MODEL: &str = "The order system is a model, called over real gRPC: some workers take orders from one queue, first \
    come first served, and are busy with each for a service time. They do not know whether a buyer is still waiting, and \
    make the order of one that has left as well. A ticket that has an order already, or for which no unit is left, costs \
    a look-up only. Buyers are the same on both sides: they have the same timeout, and as many retries. Goodput is the \
    number of orders per second that their buyers received, until the last unit was sold or the last buyer had left.";

/// Writes the page.
///
/// # Errors
/// When it cannot be written.
pub fn page(comparison: &Comparison, to: &mut dyn io::Write) -> io::Result<()> {
    write_with(&report(comparison), &[sides(comparison)], to)
}

fn sides(comparison: &Comparison) -> Section {
    let head = ["", "straight at it", "through Inrush"].map(str::to_owned).to_vec();
    let rows = rows(comparison)
        .into_iter()
        .map(|(name, straight, through)| vec![name.to_owned(), straight, through]);
    Section {
        title: "Both sides".to_owned(),
        text: MODEL.to_owned(),
        headlines: Vec::new(),
        charts: vec![comparison_chart(comparison)],
        table: [head].into_iter().chain(rows).collect(),
    }
}

fn report(comparison: &Comparison) -> Report {
    let options = match serde_json::to_value(&comparison.settings) {
        Ok(Value::Object(options)) => options,
        _ => Map::new(),
    };
    Report {
        name: Some("The same rush, without and with a queue".to_owned()),
        host: comparison.server.clone(),
        call: "Enqueue and PollStatus, through Inrush".to_owned(),
        options,
        tags: BTreeMap::new(),
        count_errors: true,
        results: comparison.through.results.clone(),
    }
}
