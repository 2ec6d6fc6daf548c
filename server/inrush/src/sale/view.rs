//! Sales as JSON. The names are those of the protocol; times are RFC 3339, durations are seconds, and enum values
//! have no prefix.

use inrush_client::proto::{Count, Durability, Ledger, Route, Sale, SaleState};
use serde_json::{Value, json};

use super::text;
use crate::output::{Output, Render, Style};

/// A page of sales.
pub(super) struct SaleList {
    /// The sales.
    pub(super) sales: Vec<Sale>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// A deleted sale.
pub(super) struct Deleted {
    /// Its id.
    pub(super) sale_id: String,
}

impl Render for Sale {
    fn text(&self, output: &Output) -> String {
        text::sale(self, output)
    }

    fn json(&self) -> Value {
        json!({
            "sale_id": self.sale_id,
            "stock": self.stock,
            "cap": self.cap,
            "open_time": self.open_time.map(|time| time.to_string()),
            "close_time": self.close_time.map(|time| time.to_string()),
            "unit_limit": self.unit_limit,
            "route": route(self.route()),
            "admission_held": self.admission_held,
            "fulfilment_held": self.fulfilment_held,
            "pace": self.pace.as_ref().map(|pace| json!({
                "tickets_per_second": pace.tickets_per_second,
                "burst": pace.burst,
            })),
            "max_attempts": self.max_attempts,
            "lease_seconds": self.lease_duration.and_then(|lease| std::time::Duration::try_from(lease).ok())
                .map(|lease| lease.as_secs_f64()),
            "durability": durability(self.durability()),
            "state": state(self.state()),
            "epoch": self.epoch,
            "version": self.version,
            "ledger": ledger(&self.ledger.unwrap_or_default()),
            "measured_pace": self.measured_pace,
            "create_time": self.create_time.map(|time| time.to_string()),
        })
    }
}

impl Render for SaleList {
    fn text(&self, output: &Output) -> String {
        text::sales(&self.sales, self.more, output)
    }

    fn json(&self) -> Value {
        json!({ "sales": self.sales.iter().map(Render::json).collect::<Vec<_>>(), "more": self.more })
    }
}

impl Render for Deleted {
    fn text(&self, output: &Output) -> String {
        format!("{} is deleted", output.paint(Style::Title, &self.sale_id))
    }

    fn json(&self) -> Value {
        json!({ "sale_id": self.sale_id, "deleted": true })
    }
}

/// The protocol's name of a state.
pub(super) const fn state(state: SaleState) -> &'static str {
    match state {
        SaleState::Unspecified => "UNKNOWN",
        SaleState::Scheduled => "SCHEDULED",
        SaleState::Open => "OPEN",
        SaleState::SoldOut => "SOLD_OUT",
        SaleState::Held => "HELD",
        SaleState::Ended => "ENDED",
        SaleState::Closed => "CLOSED",
    }
}

/// The protocol's name of a route.
pub(super) const fn route(route: Route) -> &'static str {
    match route {
        Route::Unspecified | Route::Queue => "QUEUE",
        Route::Bypass => "BYPASS",
    }
}

/// The protocol's name of a durability level.
pub(super) const fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Unspecified | Durability::Memory => "MEMORY",
        Durability::Fsync => "FSYNC",
        Durability::Replicated => "REPLICATED",
    }
}

fn ledger(ledger: &Ledger) -> Value {
    let mut entries: serde_json::Map<String, Value> = counts(ledger)
        .into_iter()
        .map(|(name, count)| {
            (
                name.to_owned(),
                json!({
                    "tickets": count.tickets,
                    "units": count.units,
                }),
            )
        })
        .collect();
    entries.insert("free_units".to_owned(), ledger.free_units.into());
    let reconciled = ledger.reconciled.unwrap_or_default();
    let reconciled = json!({ "tickets": reconciled.tickets, "units": reconciled.units });
    entries.insert("reconciled".to_owned(), reconciled);
    entries.into()
}

/// The accounts of a ledger with their names, in the order of a ticket's life.
pub(super) fn counts(ledger: &Ledger) -> [(&'static str, Count); 9] {
    [
        ("admitted", ledger.admitted),
        ("waiting", ledger.waiting),
        ("in_flight", ledger.in_flight),
        ("ordered", ledger.ordered),
        ("rejected", ledger.rejected),
        ("cancelled", ledger.cancelled),
        ("expired", ledger.expired),
        ("released", ledger.released),
        ("dead", ledger.dead),
    ]
    .map(|(name, count)| (name, count.unwrap_or_default()))
}
