//! Orders in a CSV file, for an order system that does not implement `ListOrders`.

use std::{fs, path::Path};

use inrush_proto::v1::{KnownOrder, known_order::State};

use crate::error;

/// The columns, which the first line names, in any order. Others are ignored.
const COLUMNS: [&str; 5] = ["ticket_id", "order_id", "buyer_id", "units", "state"];

/// The remedy of an error.
const FORMAT: &str = "the first line is ticket_id,order_id,buyer_id,units,state and each further line an order, whose state \
                      is ordered or released; `inrush sale audit --help` has an example";

/// Reads a file.
///
/// # Errors
/// The file cannot be read, or a line is not an order; the error names the line.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<KnownOrder>> {
    let text = fs::read_to_string(file)
        .map_err(|error| error::usage(format!("{} cannot be read: {error}", file.display()), FORMAT))?;
    parse(&text).map_err(|wrong| error::usage(format!("{}: {wrong}", file.display()), FORMAT))
}

fn parse(text: &str) -> Result<Vec<KnownOrder>, String> {
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let header = lines.next().map_or("", |(_, line)| line);
    let names = fields(header).map_err(|wrong| format!("line 1: {wrong}"))?;
    let column = |name: &str| {
        let at = names.iter().position(|given| given.trim().eq_ignore_ascii_case(name));
        at.ok_or_else(|| format!("line 1: there is no column {name}"))
    };
    let mut columns = [0; COLUMNS.len()];
    for (at, name) in columns.iter_mut().zip(COLUMNS) {
        *at = column(name)?;
    }
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| order(line, columns).map_err(|wrong| format!("line {number}: {wrong}")))
        .collect()
}

fn order(line: &str, columns: [usize; COLUMNS.len()]) -> Result<KnownOrder, String> {
    let fields = fields(line)?;
    let [ticket_id, order_id, buyer_id, units, state] =
        columns.map(|at| fields.get(at).map_or("", String::as_str));
    for (name, value) in COLUMNS.iter().zip([ticket_id, order_id, buyer_id, units, state]) {
        if value.is_empty() {
            return Err(format!("{name} is missing"));
        }
    }
    let units = units.parse().ok().filter(|units| *units > 0);
    let state = match state.to_ascii_lowercase().as_str() {
        "ordered" => State::Ordered,
        "released" => State::Released,
        other => return Err(format!("the state is {other:?}; it must be ordered or released")),
    };
    Ok(KnownOrder {
        ticket_id: ticket_id.to_owned(),
        order_id: order_id.to_owned(),
        buyer_id: buyer_id.to_owned(),
        units: units.ok_or("units must be a whole number from 1")?,
        state: state.into(),
    })
}

/// The fields of a line. One that contains a comma is in quotes, and a quote in it is written twice.
fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = vec![String::new()];
    let (mut in_quotes, mut characters) = (false, line.chars().peekable());
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if in_quotes || field.is_empty() => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    if in_quotes { Err("a quote is not closed") } else { Ok(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "ticket_id,order_id,buyer_id,units,state\n";

    #[test]
    fn orders_are_read_in_any_order_of_columns() {
        let text = "\u{feff}State,note,units,buyer_id,ticket_id,order_id\r\nordered,x,2,\"a, \"\"b\"\"\",s/1/7,o-7\n\nRELEASED,,1,c,s/1/8,o-8\n";
        let orders = parse(text).unwrap();
        let expected = KnownOrder {
            ticket_id: "s/1/7".into(),
            order_id: "o-7".into(),
            buyer_id: "a, \"b\"".into(),
            units: 2,
            state: State::Ordered.into(),
        };
        assert_eq!((&orders[0], orders[1].state()), (&expected, State::Released));
    }

    #[test]
    fn errors_name_the_line() {
        let wrong: [(String, &str); 6] = [
            (String::new(), "line 1: there is no column ticket_id"),
            ("ticket_id,order_id,buyer_id,units\n".into(), "line 1: there is no column state"),
            (format!("{HEADER}s/1/1,o,b,1,ordered\n\ns/1/2,o,b,1\n"), "line 4: state is missing"),
            (format!("{HEADER}s/1/1,o,b,none,ordered\n"), "line 2: units must be"),
            (format!("{HEADER}s/1/1,o,b,1,paid\n"), "line 2: the state is \"paid\""),
            (format!("{HEADER}s/1/1,\"o,b,1,ordered\n"), "line 2: a quote is not closed"),
        ];
        for (text, named) in wrong {
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with(named), "{error:?} does not begin with {named:?}");
        }
    }
}
