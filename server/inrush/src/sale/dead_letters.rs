//! Dead letters, tickets whose attempts all failed: list, redrive, discard.

use futures_util::{StreamExt as _, TryStreamExt as _};
use inrush_client::proto::DeadLetter;
use serde_json::{Value, json};

use crate::{
    cli::sale::{DeadLetters, Discard, Redrive, Which},
    confirm::confirm,
    connection::Connection,
    format::{count, counted},
    output::{Output, Render, Style, lines, number},
};

/// Prints the dead letters of a sale.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn list(connection: &Connection, output: &Output, list: DeadLetters) -> anyhow::Result<()> {
    let limit = usize::try_from(list.limit)?;
    // One more than the limit, to know whether there are more.
    let letters = connection.client().admin().list_dead_letters(list.sale_id).take(limit.saturating_add(1));
    let mut letters: Vec<DeadLetter> = connection.answer(letters.try_collect()).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    Ok(output.show(&Letters { letters, more })?)
}

/// Requeues dead letters.
///
/// # Errors
/// If the call fails.
pub(super) async fn redrive(
    connection: &Connection,
    output: &Output,
    redrive: Redrive,
) -> anyhow::Result<()> {
    let seqs = chosen(connection, &redrive.sale_id, redrive.which).await?;
    let admin = connection.client().admin();
    let done = connection.answer(admin.redrive_dead_letters(redrive.sale_id, &seqs)).await?;
    Ok(output.show(&Handled { verb: "redriven", requested: seqs, done })?)
}

/// Discards dead letters.
///
/// # Errors
/// If the call fails, or the operator does not confirm.
pub(super) async fn discard(
    connection: &Connection,
    output: &Output,
    discard: Discard,
) -> anyhow::Result<()> {
    let seqs = chosen(connection, &discard.sale_id, discard.which).await?;
    let letters = counted(seqs.len() as u64, "dead letter");
    confirm(
        discard.yes,
        &format!(
            "Discard {letters} of {}? Their tickets become REJECTED, also where an order exists: an attempt whose answer was \
             lost may have made one. `inrush sale redrive` finds it.",
            discard.sale_id
        ),
    )?;
    let admin = connection.client().admin();
    let done = connection.answer(admin.discard_dead_letters(discard.sale_id, &seqs)).await?;
    Ok(output.show(&Handled { verb: "discarded", requested: seqs, done })?)
}

/// The seqs on the command line, or those of all dead letters: only the seqs, since a sale can have very many.
async fn chosen(connection: &Connection, sale_id: &str, which: Which) -> anyhow::Result<Vec<u64>> {
    if !which.all {
        return Ok(which.seqs);
    }
    let letters = connection.client().admin().list_dead_letters(sale_id);
    connection.answer(letters.map_ok(|letter| letter.seq).try_collect()).await
}

/// What to do first.
const MAY_HAVE_ORDER: &str = "A dead ticket may have an order, since the answer of an attempt can be lost: redrive it before you discard it.";

struct Letters {
    letters: Vec<DeadLetter>,
    more: bool,
}

impl Render for Letters {
    fn text(&self, output: &Output) -> String {
        if self.letters.is_empty() {
            return "There are no dead letters.".to_owned();
        }
        let mut table = output.table(["SEQ", "TICKET", "BUYER", "UNITS", "ATTEMPTS", "REASON"]);
        for letter in &self.letters {
            table.add_row([
                number(letter.seq.to_string()),
                output.cell(Style::Title, &*letter.ticket_id),
                output.cell(Style::Title, &*letter.buyer_id),
                number(count(letter.units)),
                number(letter.attempts.to_string()),
                output.cell(Style::Bad, &*letter.reason),
            ]);
        }
        let hint = if self.more { "\nThere are more: --limit shows more of them." } else { "" };
        format!("{}{hint}\n{MAY_HAVE_ORDER}", lines(&table))
    }

    fn json(&self) -> Value {
        let letters: Vec<Value> = self.letters.iter().map(letter_json).collect();
        json!({ "dead_letters": letters, "more": self.more })
    }
}

fn letter_json(letter: &DeadLetter) -> Value {
    json!({
        "ticket_id": letter.ticket_id,
        "seq": letter.seq,
        "buyer_id": letter.buyer_id,
        "units": letter.units,
        // Null if it is not UTF-8: a payload is any bytes.
        "payload": std::str::from_utf8(&letter.payload).ok(),
        "payload_bytes": letter.payload.len(),
        "attempts": letter.attempts,
        "reason": letter.reason,
    })
}

struct Handled {
    verb: &'static str,
    requested: Vec<u64>,
    done: Vec<u64>,
}

impl Render for Handled {
    fn text(&self, _output: &Output) -> String {
        let done = counted(self.done.len() as u64, "dead letter");
        match self.requested.len().saturating_sub(self.done.len()) {
            0 => format!("{done} {}", self.verb),
            others => format!("{done} {}; {} not dead any more", self.verb, count(others as u64)),
        }
    }

    fn json(&self) -> Value {
        json!({ "asked": self.requested, self.verb: self.done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_that_were_not_dead_are_counted() {
        let handled = Handled { verb: "redriven", requested: vec![1, 2, 3], done: vec![2] };
        assert_eq!(handled.text(&Output::plain()), "1 dead letter redriven; 2 not dead any more");
        assert_eq!(handled.json(), json!({ "asked": [1, 2, 3], "redriven": [2] }));
    }

    #[test]
    fn a_payload_that_is_not_text_is_null() {
        let letter =
            DeadLetter { payload: vec![0xff].into(), seq: 7, reason: "full".into(), ..DeadLetter::default() };
        assert_eq!(letter_json(&letter)["payload"], Value::Null);
        let letters = Letters { letters: vec![letter], more: false };
        let text = letters.text(&Output::plain());
        assert!(text.contains("full") && text.contains("may have an order"), "{text}");
    }
}
