//! A sale: its id, its settings, the rules for them, and its state at a moment.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use crate::{
    ledger::{Count, Ledger, LedgerImbalance},
    store::Durability,
    time::{Timestamp, millis},
};

/// Upper bound on the units of a stock, of a cap and of one ticket.
pub const MAX_UNITS: u64 = 1_000_000_000;

/// Upper bound on the units of one ticket.
pub const MAX_UNITS_PER_TICKET: u64 = 1_000_000;

/// Upper bound on the attempts of a sale.
pub const MAX_ATTEMPTS: u32 = 100;

/// The fastest pace, in tickets per second.
pub const MAX_PACE: f64 = 1_000_000.0;

const MAX_SALE_ID: usize = 63;
const MAX_BUYER_ID: usize = 128;
const MIN_LEASE: Duration = Duration::from_millis(100);
const MAX_LEASE: Duration = Duration::from_secs(3600);

/// A value that breaks a rule, and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct InvalidValue {
    /// Which value, in the words of the protocol.
    pub field: &'static str,
    /// What it must be.
    pub rule: String,
}

impl InvalidValue {
    /// `field` breaks `rule`.
    pub fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }
}

/// A sale's id: 1 to 63 characters of a-z, 0-9 and `-`, starting and ending with a letter or digit. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaleId(Arc<str>);

impl SaleId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SaleId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let alphabet = bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if bytes.is_empty() || bytes.len() > MAX_SALE_ID || !alphabet || !edges {
            return Err(InvalidValue::new(
                "sale_id",
                "must be 1 to 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A buyer's id: 1 to 128 bytes of UTF-8 without control characters, opaque to Inrush.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuyerId(Box<str>);

impl BuyerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A well-mixed hash, the same on every node: it picks the buyer's bucket in the store and represents the buyer
    /// in the sold-out gate.
    #[must_use]
    pub fn hash32(&self) -> u32 {
        // The low half is as well mixed as the whole.
        let [one, two, three, four, ..] = xxhash_rust::xxh3::xxh3_64(self.0.as_bytes()).to_le_bytes();
        u32::from_le_bytes([one, two, three, four])
    }
}

impl FromStr for BuyerId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX_BUYER_ID || text.chars().any(char::is_control) {
            return Err(InvalidValue::new(
                "buyer_id",
                "must be 1 to 128 bytes of UTF-8 without control characters",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where buyers of a sale are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// To the queue.
    #[default]
    Queue,
    /// To the normal purchase flow. Queued tickets stay queued.
    Bypass,
}

/// A token bucket in the store, so that all replicas of fulfilment share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Tickets per second, in thousandths: 1 to 1,000,000,000.
    pub millitickets_per_second: u64,
    /// Tickets that can be claimed at one instant after an idle time: 1 to 1,000,000.
    pub burst: u64,
}

impl Pace {
    /// A pace of `tickets_per_second`, with a default burst of a tenth of a second's worth.
    ///
    /// # Errors
    /// Names the value that is out of range.
    pub fn new(tickets_per_second: f64, burst: Option<u64>) -> Result<Self, InvalidValue> {
        if !(0.001..=MAX_PACE).contains(&tickets_per_second) {
            return Err(InvalidValue::new(
                "pace.tickets_per_second",
                "must be 0.001 to 1,000,000; leave pace out for no limit",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be 1 to 10⁹ above"
        )]
        let millitickets_per_second = (tickets_per_second * 1000.0).round() as u64;
        let burst = burst.unwrap_or_else(|| (millitickets_per_second / 10_000).max(1));
        if !(1..=1_000_000).contains(&burst) {
            return Err(InvalidValue::new("pace.burst", "must be 1 to 1,000,000"));
        }
        Ok(Self { millitickets_per_second, burst })
    }

    /// The pace in tickets per second.
    #[must_use]
    pub fn tickets_per_second(self) -> f64 {
        from_milli(self.millitickets_per_second)
    }
}

/// A rate in thousandths as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "rates are far below 2⁵²")]
#[must_use]
pub fn from_milli(thousandths: u64) -> f64 {
    thousandths as f64 / 1000.0
}

/// The settings of a sale: everything that an operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleSettings {
    /// Units for sale. `None`: a sale without stock, whose cap bounds the units that wait at the same time.
    pub stock: Option<u64>,
    /// Units that may be admitted. `None`: as many as the stock.
    pub cap: Option<u64>,
    /// When it opens. `None`: at its creation.
    pub opens_at: Option<Timestamp>,
    /// When admission ends. `None`: when it is closed.
    pub closes_at: Option<Timestamp>,
    /// Upper bound on the units of one ticket.
    pub unit_limit: u64,
    /// Where buyers are sent.
    pub route: Route,
    /// Admission is on hold.
    pub admission_held: bool,
    /// Fulfilment is on hold.
    pub fulfilment_held: bool,
    /// How fast tickets may be claimed. `None`: no limit.
    pub pace: Option<Pace>,
    /// How often an order is tried before the ticket is dead.
    pub max_attempts: u32,
    /// The duration of a claim unless it is extended.
    pub lease: Duration,
    /// How durable acknowledged tickets are.
    pub durability: Durability,
}

impl SaleSettings {
    /// The default settings of a sale of `stock` units.
    #[must_use]
    pub const fn of_stock(stock: u64) -> Self {
        Self { stock: Some(stock), ..Self::without_stock_or_cap() }
    }

    /// The settings of a sale without stock, in which up to `cap` units wait at the same time.
    #[must_use]
    pub const fn without_stock(cap: u64) -> Self {
        Self { cap: Some(cap), ..Self::without_stock_or_cap() }
    }

    const fn without_stock_or_cap() -> Self {
        Self {
            stock: None,
            cap: None,
            opens_at: None,
            closes_at: None,
            unit_limit: 1,
            route: Route::Queue,
            admission_held: false,
            fulfilment_held: false,
            pace: None,
            max_attempts: 5,
            lease: Duration::from_secs(30),
            durability: Durability::Memory,
        }
    }

    /// Whether the sale has a stock of its own.
    #[must_use]
    pub const fn has_stock(&self) -> bool {
        self.stock.is_some()
    }

    /// Units that may be admitted.
    #[must_use]
    pub fn effective_cap(&self) -> u64 {
        self.cap.or(self.stock).unwrap_or_default()
    }

    /// Checks the rules that need no store.
    ///
    /// # Errors
    /// The first value that breaks its rule.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        if self.stock.is_some_and(|stock| stock == 0 || stock > MAX_UNITS) {
            return Err(InvalidValue::new(
                "stock",
                "must be 1 to 1,000,000,000; leave it out for a sale without stock",
            ));
        }
        if self.stock.is_none() && self.cap.is_none() {
            return Err(InvalidValue::new(
                "cap",
                "is needed for a sale without stock: how many units may wait at the same time",
            ));
        }
        if self.cap.is_some_and(|cap| cap == 0 || cap > MAX_UNITS) {
            return Err(InvalidValue::new(
                "cap",
                "must be 1 to 1,000,000,000; leave it out to admit as much as the stock",
            ));
        }
        if !(1..=MAX_UNITS_PER_TICKET).contains(&self.unit_limit) {
            return Err(InvalidValue::new("unit_limit", "must be 1 to 1,000,000"));
        }
        if !(1..=MAX_ATTEMPTS).contains(&self.max_attempts) {
            return Err(InvalidValue::new("max_attempts", "must be 1 to 100"));
        }
        if !(MIN_LEASE..=MAX_LEASE).contains(&self.lease) {
            return Err(InvalidValue::new("lease_duration", "must be 100 ms to 1 h"));
        }
        match (self.opens_at, self.closes_at) {
            (Some(opens_at), Some(closes_at)) if closes_at <= opens_at => {
                Err(InvalidValue::new("close_time", "must be after open_time"))
            }
            _ => Ok(()),
        }
    }

    /// The lease in the store's unit.
    #[must_use]
    pub fn lease_millis(&self) -> u64 {
        millis(self.lease)
    }
}

/// The state of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleState {
    /// Before its opening.
    Scheduled,
    /// Admitting buyers.
    Open,
    /// Open, with nothing left to admit.
    SoldOut,
    /// Admission is on hold.
    Held,
    /// Past its closing time; the queue is still served.
    Ended,
    /// Closed for good.
    Closed,
}

/// A sale as the store has it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleSnapshot {
    /// Its id.
    pub id: SaleId,
    /// Its settings.
    pub settings: SaleSettings,
    /// Rises whenever the store may have lost history ([`crate::epochs::epoch_after`]); no two sales of one name
    /// share one.
    pub epoch: u64,
    /// Rises with every change of settings.
    pub version: u64,
    /// Closed for good.
    pub closed: bool,
    /// How often the epoch has risen.
    pub rises: u64,
    /// Until when holders of lost tickets come before other buyers.
    pub restoring_until: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When this was read.
    pub read_at: Timestamp,
    /// The last seq assigned.
    pub last_seq: u64,
    /// The last seq that was claimed or skipped.
    pub cursor: u64,
    /// Where tickets and units are.
    pub ledger: Ledger,
    /// Orders of the order system that were counted without a claim, since the store had lost their outcome.
    pub reconciled: Count,
    /// Recently claimed tickets per second, in thousandths; 0 when unknown.
    pub measured_pace: u64,
}

impl SaleSnapshot {
    /// Checks the ledger against stock and cap, which reconciled orders may exceed: the units had been given to others
    /// when the order system's list was read.
    ///
    /// # Errors
    /// Names the sum that is off.
    pub fn check_ledger(&self) -> Result<(), LedgerImbalance> {
        let stock = self.settings.stock.map(|stock| stock.saturating_add(self.reconciled.units));
        self.ledger.check(stock, self.settings.effective_cap().saturating_add(self.reconciled.units))
    }

    /// Units that may still be admitted.
    #[must_use]
    pub fn free_units(&self) -> u64 {
        self.ledger.free_units(self.settings.effective_cap(), self.settings.has_stock())
    }

    /// The state of the sale.
    #[must_use]
    pub fn state(&self) -> SaleState {
        let settings = &self.settings;
        if self.closed {
            SaleState::Closed
        } else if settings.closes_at.is_some_and(|closes_at| self.read_at >= closes_at) {
            SaleState::Ended
        } else if settings.opens_at.is_some_and(|opens_at| self.read_at < opens_at) {
            SaleState::Scheduled
        } else if settings.admission_held {
            SaleState::Held
        } else if self.free_units() == 0 {
            SaleState::SoldOut
        } else {
            SaleState::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_not_slugs_are_invalid() {
        for text in ["", "-a", "a-", "A", "a_b", "a b", "ä", &"a".repeat(64)] {
            assert!(text.parse::<SaleId>().is_err(), "{text:?}");
        }
        for text in ["a", "0", "phone-x", &"a".repeat(63)] {
            assert!(text.parse::<SaleId>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn buyers_are_any_short_text_without_control_characters() {
        for text in ["", "a\n", "\u{0}", &"a".repeat(129)] {
            assert!(text.parse::<BuyerId>().is_err(), "{text:?}");
        }
        assert!("Ω buyer/1".parse::<BuyerId>().is_ok());
    }

    #[test]
    fn settings_out_of_range_name_the_field() {
        let good = SaleSettings::of_stock(10);
        assert_eq!(good.validate(), Ok(()));
        let field = |settings: SaleSettings| settings.validate().unwrap_err().field;
        assert_eq!(field(SaleSettings::of_stock(0)), "stock");
        assert_eq!(field(SaleSettings { stock: None, ..good.clone() }), "cap");
        assert_eq!(field(SaleSettings { cap: Some(0), ..good.clone() }), "cap");
        assert_eq!(field(SaleSettings { unit_limit: 0, ..good.clone() }), "unit_limit");
        assert_eq!(field(SaleSettings { max_attempts: 101, ..good.clone() }), "max_attempts");
        assert_eq!(field(SaleSettings { lease: Duration::ZERO, ..good.clone() }), "lease_duration");
        let (opens_at, closes_at) = (Some(Timestamp(5)), Some(Timestamp(5)));
        assert_eq!(field(SaleSettings { opens_at, closes_at, ..good }), "close_time");
    }

    #[test]
    fn a_pace_has_a_burst_of_a_tenth_of_a_second() {
        assert_eq!(Pace::new(500.0, None).unwrap(), Pace { millitickets_per_second: 500_000, burst: 50 });
        assert_eq!(Pace::new(0.5, None).unwrap().burst, 1);
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e6] {
            assert!(Pace::new(rate, None).is_err(), "{rate}");
        }
    }
}
