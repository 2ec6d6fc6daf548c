//! A comparison as a text table.

use std::io;

use inrush_report::format;

use super::{
    comparison::{Comparison, Conclusion, Row},
    text,
};

/// The columns and their widths. The first and the last are left-aligned, the others right-aligned.
const COLUMNS: [(&str, usize); 6] =
    [("", 8), ("A", 12), ("B", 12), ("change", 10), ("confidence interval", 24), ("verdict", 0)];

/// Writes the table and the notes that explain it.
///
/// # Errors
/// If writing fails.
pub fn write(comparison: &Comparison, to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "{}", line(COLUMNS.map(|(name, _)| name.to_owned())))?;
    for row in &comparison.rows {
        writeln!(to, "{}", line(cells(row)))?;
    }
    let confidence = format::share(comparison.confidence);
    writeln!(
        to,
        "\nAll intervals together hold with {confidence} confidence (moving block bootstrap, Bonferroni correction)."
    )?;
    writeln!(to, "Latencies are from the planned time.")?;
    for warning in &comparison.warnings {
        writeln!(to, "Note: {warning}.")?;
    }
    writeln!(to, "\n{}", conclusion(comparison))
}

fn cells(row: &Row) -> [String; 6] {
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| text::value(row, value));
    [
        row.name.clone(),
        value(row.before),
        value(row.after),
        row.change.map_or_else(|| "–".to_owned(), text::percent),
        text::interval(row).unwrap_or_else(|| "–".to_owned()),
        text::verdict(row).to_owned(),
    ]
}

fn line(cells: [String; 6]) -> String {
    let mut line = String::new();
    for (index, (cell, (_, width))) in cells.into_iter().zip(COLUMNS).enumerate() {
        let cell = match index {
            0 => format!("{cell:<width$}"),
            5 => format!("  {cell}"),
            _ => format!("{cell:>width$}"),
        };
        line.push_str(&cell);
    }
    line.trim_end().to_owned()
}

fn conclusion(comparison: &Comparison) -> String {
    let is_significant = |row: &&Row| matches!(row.verdict, Conclusion::Higher | Conclusion::Lower);
    let different: Vec<String> = comparison
        .rows
        .iter()
        .filter(is_significant)
        .map(|row| format!("{} {}", row.name, text::verdict(row)))
        .collect();
    let judged = comparison.rows.iter().any(|row| row.interval.is_some());
    match (judged, different.is_empty()) {
        (false, _) => "The runs do not show whether B differs from A.".to_owned(),
        (true, true) => "No difference is shown between A and B.".to_owned(),
        (true, false) => format!("B differs from A: {}.", different.join(", ")),
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
    fn the_table_ends_with_a_conclusion() {
        let slower = table(1.2);
        assert!(slower.contains("B differs from A: mean slower, p50 slower"), "{slower}");
        assert!(slower.contains("hold with 95% confidence"), "{slower}");
        assert!(table(1.0).contains("No difference is shown"), "{}", table(1.0));
    }
}
