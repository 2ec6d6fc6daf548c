//! A comparison as a table for people.

use std::io;

use super::comparison::{Comparison, Row, Verdict};
use crate::report::figure;

/// The columns and their widths: the first and the last are on the left of theirs, the others on the right.
const COLUMNS: [(&str, usize); 6] =
    [("", 8), ("A", 12), ("B", 12), ("change", 10), ("lies within", 24), ("verdict", 0)];

/// Writes the table, and below it how it is to be read.
///
/// # Errors
/// When it cannot be written.
pub fn write(comparison: &Comparison, to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "{}", line(COLUMNS.map(|(name, _)| name.to_owned())))?;
    for row in &comparison.rows {
        writeln!(to, "{}", line(cells(row)))?;
    }
    let confidence = figure::share(comparison.confidence);
    writeln!(
        to,
        "\nWith {confidence} confidence, none of the changes lies outside of what its line says; latencies are"
    )?;
    writeln!(
        to,
        "from the planned time. Method: moving block bootstrap (Künsch 1989), Bonferroni's correction."
    )?;
    for warning in &comparison.warnings {
        writeln!(to, "Note: {warning}.")?;
    }
    writeln!(to, "\n{}", conclusion(comparison))
}

fn cells(row: &Row) -> [String; 6] {
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| row.text(value));
    [
        row.name.clone(),
        value(row.before),
        value(row.after),
        row.change.map_or_else(|| "–".to_owned(), percent),
        row.interval_text().unwrap_or_else(|| "–".to_owned()),
        row.verdict_text().to_owned(),
    ]
}

fn line(cells: [String; 6]) -> String {
    let mut line = String::new();
    for (place, (cell, (_, width))) in cells.into_iter().zip(COLUMNS).enumerate() {
        let cell = match place {
            0 => format!("{cell:<width$}"),
            5 => format!("  {cell}"),
            _ => format!("{cell:>width$}"),
        };
        line.push_str(&cell);
    }
    line.trim_end().to_owned()
}

fn conclusion(comparison: &Comparison) -> String {
    let shown = |row: &&Row| matches!(row.verdict, Verdict::Higher | Verdict::Lower);
    let different: Vec<String> = comparison
        .rows
        .iter()
        .filter(shown)
        .map(|row| format!("{} {}", row.name, row.verdict_text()))
        .collect();
    let judged = comparison.rows.iter().any(|row| row.interval.is_some());
    match (judged, different.is_empty()) {
        (false, _) => "It cannot be told whether B differs from A.".to_owned(),
        (true, true) => "No difference is shown between A and B.".to_owned(),
        (true, false) => format!("B differs from A: {}.", different.join(", ")),
    }
}

/// A change with its sign.
pub(super) fn percent(change: f64) -> String {
    let percent = change * 100.0;
    let decimals = if percent.abs() < 0.095 { 2 } else { 1 };
    let text = format!("{percent:+.decimals$}%");
    // Nothing has no sign.
    if text.trim_start_matches(['+', '-']).trim_end_matches('%').parse() == Ok(0.0) {
        "0%".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{compare, fixture};

    fn table(slower: f64) -> String {
        let mut bytes = Vec::new();
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, slower), 0.95);
        write(&comparison, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn it_says_what_differs_and_what_does_not() {
        let slower = table(1.2);
        assert!(slower.contains("B differs from A: mean slower, p50 slower"), "{slower}");
        assert!(slower.contains("With 95% confidence"), "{slower}");
        assert!(table(1.0).contains("No difference is shown"), "{}", table(1.0));
    }

    #[test]
    fn changes_have_signs() {
        let cases =
            [(0.1, "+10.0%"), (-0.0049, "-0.5%"), (0.0004, "+0.04%"), (0.0, "0%"), (-0.000_001, "0%")];
        for (change, text) in cases {
            assert_eq!(percent(change), text);
        }
    }
}
