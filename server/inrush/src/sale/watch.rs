//! `inrush sale watch`: prints a sale until it is finished.

use std::{io, time::Duration, time::SystemTime};

use inrush_client::proto::{Sale, SaleState};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    text,
    view::{counts, state},
};
use crate::{
    cli::sale::Watch,
    connection::Connection,
    format,
    output::{Output, Redrawn},
};

/// More frequent reads show nothing new and load the store.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Prints the sale at intervals until it is closed and no ticket is in flight.
///
/// # Errors
/// If the sale cannot be read.
pub(super) async fn run(connection: &Connection, output: &Output, watch: Watch) -> anyhow::Result<()> {
    let mut reads = interval(watch.every.0.max(MIN_INTERVAL));
    reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let admin = connection.client().admin();
    let mut view = View { output, drawing: Redrawn::default(), shown: None };
    loop {
        reads.tick().await;
        let sale = connection.answer(admin.get_sale(watch.sale_id.as_str())).await?;
        let done = is_done(&sale);
        view.update(sale)?;
        if done {
            return Ok(());
        }
    }
}

struct View<'a> {
    output: &'a Output,
    drawing: Redrawn,
    shown: Option<Sale>,
}

impl View<'_> {
    fn update(&mut self, sale: Sale) -> io::Result<()> {
        if self.output.can_redraw() {
            let parts = [
                Some(text::headline(&sale, self.output)),
                text::progress(&sale, self.output),
                Some(text::ledger(&sale, self.output)),
                Some("Ctrl-C stops watching; the sale continues.".to_owned()),
            ];
            self.drawing.draw(&parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
        } else if self.shown.as_ref() == Some(&sale) {
            Ok(())
        } else if self.output.is_json() {
            self.output.show(&sale)?;
            self.shown = Some(sale);
            Ok(())
        } else {
            self.output.line(&line(&sale, SystemTime::now()))?;
            self.shown = Some(sale);
            Ok(())
        }
    }
}

/// The sale in one line: `20:00:01 OPEN waiting=1,200 … pace=482/s`.
fn line(sale: &Sale, now: SystemTime) -> String {
    let books = sale.ledger.unwrap_or_default();
    let accounts: Vec<String> =
        counts(&books).iter().map(|(name, count)| format!("{name}={}", count.tickets)).collect();
    format!(
        "{} {} {} free_units={} pace={}",
        format::clock(now),
        state(sale.state()),
        accounts.join(" "),
        books.free_units,
        format::rate(sale.measured_pace)
    )
}

fn is_done(sale: &Sale) -> bool {
    let books = sale.ledger.unwrap_or_default();
    let open = books.waiting.unwrap_or_default().tickets + books.in_flight.unwrap_or_default().tickets;
    sale.state() == SaleState::Closed && open == 0
}

#[cfg(test)]
mod tests {
    use inrush_client::proto::{Count, Ledger};

    use super::*;

    fn with(state: SaleState, in_flight: u64) -> Sale {
        let in_flight = Some(Count { tickets: in_flight, units: in_flight });
        Sale {
            state: state.into(),
            ledger: Some(Ledger { in_flight, ..Ledger::default() }),
            ..Sale::default()
        }
    }

    #[test]
    fn a_sale_is_printed_in_one_line() {
        let line = line(&with(SaleState::Open, 3), SystemTime::UNIX_EPOCH);
        assert!(line.starts_with("00:00:00 OPEN admitted=0 waiting=0 in_flight=3 "), "{line}");
        assert!(line.ends_with("free_units=0 pace=0/s"), "{line}");
    }

    #[test]
    fn a_sale_is_done_when_it_is_closed_and_no_ticket_is_in_flight() {
        assert!(is_done(&with(SaleState::Closed, 0)));
        assert!(!is_done(&with(SaleState::Closed, 1)));
        assert!(!is_done(&with(SaleState::SoldOut, 0)));
    }
}
