//! `inrush sale audit`: the orders of the order system beside the tickets of the queue.

use inrush_client::proto::{Sale, TicketState};
use inrush_core::{SaleId, Timestamp};
use inrush_fulfilment::{FulfilmentSettings, ListError, OrderList};
use inrush_proto::v1::{KnownOrder, OrderComparison, known_order::State, order_comparison::Finding};
use serde_json::{Value, json};

use crate::{
    cli::sale::Audit,
    connection::Connection,
    error,
    format::{count, counted},
    output::{Output, Render},
    settings::Settings,
};

use super::orders_file;

/// The most differences that are printed of those that are repaired, and of those that are left; the others are counted.
const MAX_PRINTED: u64 = 1_000;

/// Compares, prints the differences, and repairs them if that is wanted.
///
/// # Errors
/// The orders or the sale cannot be read, or differences are left.
pub(super) async fn run(
    connection: &Connection,
    output: &Output,
    settings: &Settings,
    audit: Audit,
) -> anyhow::Result<()> {
    // Read before the orders: an order that is made meanwhile is then in the list, and not missing there.
    let sale = connection.answer(connection.client().admin().get_sale(audit.sale_id.as_str())).await?;
    let mut report = Report { sale_id: audit.sale_id.clone(), repair: audit.repair, ..Report::default() };
    let read = compare_all(&mut report, connection, settings, &audit, &sale).await;
    if read.is_ok() {
        report.find_missing(&sale);
    }
    if read.is_ok() || report.orders > 0 {
        output.show(&report)?;
    }
    read.and_then(|()| report.require_agreement())
}

/// Compares all orders of the file, or of the order system.
async fn compare_all(
    report: &mut Report,
    connection: &Connection,
    settings: &Settings,
    audit: &Audit,
    sale: &Sale,
) -> anyhow::Result<()> {
    if let Some(file) = &audit.orders {
        return report.compare(connection, orders_file::read(file)?).await;
    }
    let (id, created_at) = creation(sale)?;
    let mut pages = order_list(settings, audit)?.pages(&id, created_at);
    while let Some(orders) = pages.next().await.map_err(|error| explain(&error))? {
        report.compare(connection, orders).await?;
    }
    Ok(())
}

fn order_list(settings: &Settings, audit: &Audit) -> anyhow::Result<OrderList> {
    let mut fulfilment: FulfilmentSettings = settings.fulfilment.clone();
    if let Some(address) = &audit.order_system {
        fulfilment.orders = vec![address.clone()];
    }
    fulfilment.order_list().map_err(error::invalid_setting)
}

fn explain(error: &ListError) -> anyhow::Error {
    let remedy = match error {
        ListError::Unimplemented | ListError::Endless => {
            "export the orders to a file, and pass it with --orders FILE.csv"
        }
        ListError::Failed(_) => {
            "is the order system running? name another address with --order-system or fulfilment.orders"
        }
    };
    error::failure(error, remedy)
}

/// Which creation of which sale it is.
fn creation(sale: &Sale) -> anyhow::Result<(SaleId, Timestamp)> {
    let wrong =
        || error::failure("the front sent no valid sale", "use an `inrush` of the version of the front");
    let id = sale.sale_id.parse().map_err(|_| wrong())?;
    let time = sale.create_time.as_ref().ok_or_else(wrong)?;
    let (seconds, nanos) = (u64::try_from(time.seconds), u64::try_from(time.nanos));
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) => {
            Ok((id, Timestamp(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))))
        }
        _ => Err(wrong()),
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Report {
    sale_id: String,
    repair: bool,
    orders: u64,
    /// Tickets that are ORDERED in the queue and have an order in the list.
    matched: u64,
    differences: Vec<Difference>,
    /// Differences beyond [`MAX_PRINTED`].
    more: u64,
    /// Differences that are repaired.
    repaired: u64,
    /// Differences that are left.
    left: u64,
    /// Tickets that are ORDERED in the queue beyond those with an order in the list.
    missing: u64,
}

/// One difference.
#[derive(Debug)]
struct Difference {
    order: KnownOrder,
    finding: Finding,
    was: TicketState,
    repaired: bool,
}

impl Report {
    async fn compare(&mut self, connection: &Connection, orders: Vec<KnownOrder>) -> anyhow::Result<()> {
        if orders.is_empty() {
            return Ok(());
        }
        let admin = connection.client().admin();
        let comparisons =
            connection.answer(admin.reconcile_orders(self.sale_id.as_str(), &orders, self.repair)).await?;
        for (order, comparison) in orders.into_iter().zip(comparisons) {
            self.add(order, comparison);
        }
        Ok(())
    }

    fn add(&mut self, order: KnownOrder, comparison: OrderComparison) {
        self.orders += 1;
        let (finding, was) = (comparison.finding(), comparison.ticket_state());
        let is_ordered = match finding {
            Finding::Same => order.state() == State::Ordered,
            Finding::Forgotten => was == TicketState::Ordered,
            Finding::OtherOrder | Finding::OtherBuyer => true,
            _ => false,
        };
        self.matched += u64::from(is_ordered);
        if matches!(finding, Finding::Same | Finding::Pending) {
            return;
        }
        let repaired = self.repair && finding == Finding::Forgotten;
        let count = if repaired { &mut self.repaired } else { &mut self.left };
        *count += 1;
        if *count <= MAX_PRINTED {
            self.differences.push(Difference { order, finding, was, repaired });
        } else {
            self.more += 1;
        }
    }

    /// Compares the count of tickets that were ORDERED in the queue before the orders were read.
    fn find_missing(&mut self, sale: &Sale) {
        let ordered = sale.ledger.as_ref().and_then(|ledger| ledger.ordered.as_ref());
        self.missing = ordered.map_or(0, |ordered| ordered.tickets).saturating_sub(self.matched);
        self.left += u64::from(self.missing > 0);
    }

    fn require_agreement(&self) -> anyhow::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let remedy = if self.repair {
            "each line names what to do about it"
        } else {
            "run it again with --repair, which settles the tickets whose order the queue has forgotten"
        };
        Err(error::failure(
            format!("{} between the queue and the orders", counted(self.left, "difference")),
            remedy,
        ))
    }

    fn missing_text(&self) -> Option<String> {
        (self.missing > 0).then(|| {
            format!(
                "{} ORDERED in the queue and not among the orders. If the list is complete, release them by their ticket \
                 ids: inrush ticket release TICKET_ID",
                match self.missing {
                    1 => "1 ticket is".to_owned(),
                    tickets => format!("{} are", counted(tickets, "ticket")),
                }
            )
        })
    }
}

impl Difference {
    /// What is different, and the repair.
    fn text(&self) -> String {
        let KnownOrder { ticket_id, order_id, buyer_id, .. } = &self.order;
        let state = if self.order.state() == State::Released { "released" } else { "ordered" };
        let (what, repair) = self.words();
        let repair = if self.repaired { "repaired" } else { repair };
        format!("{ticket_id}: order {order_id} of {buyer_id} is {state}, but {what}. Repair: {repair}")
    }

    fn words(&self) -> (String, &'static str) {
        const AGAIN: &str = "--repair settles the ticket as the order is";
        const CANCEL_ORDER: &str = "cancel the order in the order system; its buyer does not wait for it";
        let text = |text: &str| text.to_owned();
        match self.finding {
            Finding::Forgotten if self.was == TicketState::Lost => {
                (text("the store has lost the ticket, and its units count as free"), AGAIN)
            }
            Finding::Forgotten => {
                let state = self.was.as_str_name().trim_start_matches("TICKET_STATE_");
                (format!("the ticket is {state}"), AGAIN)
            }
            Finding::AheadOfQueue => {
                (text("the queue is older than the ticket, so the store has lost data"), AGAIN)
            }
            Finding::OtherOrder => (
                text("the ticket has another order in the queue"),
                "find out with `inrush ticket` which one is right, and cancel the other in the order system",
            ),
            Finding::OtherBuyer => (
                text("the ticket is another buyer's, or for other units, in the queue"),
                "cancel the order in the order system; a ticket was given twice or the file is wrong",
            ),
            Finding::ReleasedInQueue => {
                (text("the queue has released it, and may have sold its units again"), CANCEL_ORDER)
            }
            Finding::EndedInQueue => (text("the ticket was cancelled or expired"), CANCEL_ORDER),
            Finding::Foreign => (
                text("the queue never gave this ticket in this sale"),
                "none, if an earlier sale of this name had the order; otherwise the ticket id is wrong",
            ),
            Finding::Repeated => (text("it is listed twice"), "remove one of the two lines"),
            Finding::Unreadable => {
                (text("the ticket cannot be read in the store"), "restore the store from a backup")
            }
            Finding::Same | Finding::Pending | Finding::Unspecified => {
                (text("the front found something unknown"), "use an `inrush` of the version of the front")
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "ticket_id": self.order.ticket_id,
            "order_id": self.order.order_id,
            "buyer_id": self.order.buyer_id,
            "finding": self.finding.as_str_name().trim_start_matches("FINDING_"),
            "ticket_state": self.was.as_str_name().trim_start_matches("TICKET_STATE_"),
            "repaired": self.repaired,
            "text": self.text(),
        })
    }
}

impl Render for Report {
    fn text(&self, _output: &Output) -> String {
        let mut lines: Vec<String> = self.differences.iter().map(Difference::text).collect();
        if self.more > 0 {
            lines.push(format!("… and {} more", counted(self.more, "difference")));
        }
        lines.extend(self.missing_text());
        lines.push(match (self.left, self.repaired) {
            (0, 0) => format!(
                "{}: {} compared; the queue knows all of them",
                self.sale_id,
                counted(self.orders, "order")
            ),
            (left, repaired) => format!(
                "{}: {} compared, {} repaired, {} left",
                self.sale_id,
                counted(self.orders, "order"),
                count(repaired),
                count(left)
            ),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let differences: Vec<Value> = self.differences.iter().map(Difference::json).collect();
        json!({
            "sale_id": self.sale_id,
            "orders": self.orders,
            "differences": differences,
            "more_differences": self.more,
            "ordered_without_order": self.missing,
            "repaired": self.repaired,
            "left": self.left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(state: State) -> KnownOrder {
        KnownOrder {
            ticket_id: "phone/1/7".into(),
            order_id: "o-7".into(),
            buyer_id: "ann".into(),
            units: 1,
            state: state.into(),
        }
    }

    fn compared(finding: Finding, was: TicketState) -> OrderComparison {
        OrderComparison { finding: finding.into(), ticket_state: was.into() }
    }

    #[test]
    fn every_difference_has_words_and_a_repair() {
        let mut report = Report { sale_id: "phone".into(), ..Report::default() };
        for finding in (3..=11).map(|code| Finding::try_from(code).unwrap()) {
            report.add(order(State::Ordered), compared(finding, TicketState::Lost));
        }
        let text = report.text(&Output::plain());
        assert_eq!(text.lines().count(), 10);
        for line in text.lines().take(9) {
            assert!(
                line.starts_with("phone/1/7: order o-7 of ann is ordered, but ") && line.contains("Repair: "),
                "{line}"
            );
        }
        let error = report.require_agreement().unwrap_err().to_string();
        assert!(error.contains("9 differences") && error.contains("--repair"), "{error}");
    }

    #[test]
    fn what_is_the_same_or_pending_or_repaired_is_no_failure() {
        let mut report = Report { sale_id: "phone".into(), repair: true, ..Report::default() };
        report.add(order(State::Ordered), compared(Finding::Same, TicketState::Unspecified));
        report.add(order(State::Released), compared(Finding::Pending, TicketState::Unspecified));
        report.add(order(State::Ordered), compared(Finding::Forgotten, TicketState::Lost));
        assert!(report.require_agreement().is_ok());
        let text = report.text(&Output::plain());
        assert!(text.ends_with("phone: 3 orders compared, 1 repaired, 0 left"), "{text}");
    }

    #[test]
    fn what_is_left_is_printed_also_after_many_repairs() {
        let mut report = Report { repair: true, ..Report::default() };
        for _ in 0..=MAX_PRINTED {
            report.add(order(State::Ordered), compared(Finding::Forgotten, TicketState::Lost));
        }
        report.add(order(State::Ordered), compared(Finding::OtherBuyer, TicketState::Unspecified));
        let text = report.text(&Output::plain());
        assert!(text.contains("another buyer") && text.contains("… and 1 difference more"), "{text}");
        assert!(text.ends_with("1,002 orders compared, 1,001 repaired, 1 left"), "{text}");
    }

    #[test]
    fn ordered_tickets_without_an_order_are_counted() {
        let count = inrush_proto::v1::Count { tickets: 3, units: 3 };
        let ledger = inrush_proto::v1::Ledger { ordered: Some(count), ..inrush_proto::v1::Ledger::default() };
        let sale = Sale { ledger: Some(ledger), ..Sale::default() };
        let mut report = Report::default();
        report.add(order(State::Ordered), compared(Finding::Same, TicketState::Unspecified));
        report.find_missing(&sale);
        assert_eq!((report.missing, report.left), (2, 1));
        assert!(report.text(&Output::plain()).contains("2 tickets are ORDERED in the queue"));
    }
}
