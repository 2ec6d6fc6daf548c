//! Conversions between protocol messages and the domain: sales, their settings, tickets, states, times.

use std::time::Duration;

use inrush_core::{
    Count, Durability, Pace, Route, SaleSettings, SaleSnapshot, SaleState, TicketId, TicketState,
    TicketStatus, Timestamp, poll_policy,
    sale::{InvalidValue, from_milli},
    store::DeadLetter,
};
use inrush_proto::v1;

/// The settings in a sale message. Omitted fields have their default; output-only fields are ignored.
///
/// # Errors
/// The first value that breaks a rule.
pub(crate) fn settings(sale: &v1::Sale) -> Result<SaleSettings, InvalidValue> {
    let defaults = SaleSettings::without_stock(1);
    let settings = SaleSettings {
        stock: sale.stock,
        cap: sale.cap,
        opens_at: sale.open_time.map(|time| timestamp(time, "open_time")).transpose()?,
        closes_at: sale.close_time.map(|time| timestamp(time, "close_time")).transpose()?,
        unit_limit: or_default(sale.unit_limit, defaults.unit_limit),
        route: route(sale.route)?,
        admission_held: sale.admission_held,
        fulfilment_held: sale.fulfilment_held,
        pace: sale.pace.map(pace).transpose()?,
        max_attempts: or_default(sale.max_attempts, defaults.max_attempts),
        lease: sale.lease_duration.map_or(Ok(defaults.lease), lease)?,
        durability: durability(sale.durability)?,
    };
    settings.validate()?;
    Ok(settings)
}

/// A sale as callers see it.
pub(crate) fn sale(snapshot: &SaleSnapshot) -> v1::Sale {
    let settings = &snapshot.settings;
    v1::Sale {
        sale_id: snapshot.id.to_string(),
        stock: settings.stock,
        cap: settings.cap,
        open_time: settings.opens_at.map(time),
        close_time: settings.closes_at.map(time),
        unit_limit: settings.unit_limit,
        route: route_message(settings.route).into(),
        admission_held: settings.admission_held,
        fulfilment_held: settings.fulfilment_held,
        pace: settings.pace.map(pace_message),
        max_attempts: settings.max_attempts,
        lease_duration: Some(duration(settings.lease)),
        durability: durability_message(settings.durability).into(),
        state: sale_state(snapshot.state()).into(),
        epoch: snapshot.epoch,
        version: snapshot.version,
        ledger: Some(ledger(snapshot)),
        measured_pace: from_milli(snapshot.measured_pace),
        create_time: Some(time(snapshot.created_at)),
    }
}

/// A dead ticket as operators see it.
pub(crate) fn dead_letter(letter: DeadLetter, ticket_id: String) -> v1::DeadLetter {
    let entry = letter.claimed.entry;
    v1::DeadLetter {
        ticket_id,
        seq: letter.claimed.seq,
        buyer_id: entry.buyer.to_string(),
        units: entry.units,
        payload: entry.payload.into(),
        attempts: letter.claimed.attempt,
        reason: letter.reason,
    }
}

/// A moment, for the caller.
pub(crate) fn time(timestamp: Timestamp) -> prost_types::Timestamp {
    let since_epoch = duration(Duration::from_millis(timestamp.0));
    prost_types::Timestamp { seconds: since_epoch.seconds, nanos: since_epoch.nanos }
}

/// A length of time, for the caller.
pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Below 10⁹, which fits.
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A ticket's state, for the caller.
pub(crate) const fn ticket_state(state: TicketState) -> v1::TicketState {
    match state {
        TicketState::Waiting => v1::TicketState::Waiting,
        TicketState::Processing => v1::TicketState::Processing,
        TicketState::Ordered => v1::TicketState::Ordered,
        TicketState::Released => v1::TicketState::Released,
        TicketState::Cancelled => v1::TicketState::Cancelled,
        TicketState::Rejected => v1::TicketState::Rejected,
        TicketState::Expired => v1::TicketState::Expired,
        TicketState::Dead => v1::TicketState::Dead,
        TicketState::Lost => v1::TicketState::Lost,
    }
}

/// A level of durability, for the caller.
pub(crate) const fn durability_message(durability: Durability) -> v1::Durability {
    match durability {
        Durability::Memory => v1::Durability::Memory,
        Durability::Fsync => v1::Durability::Fsync,
        Durability::Replicated => v1::Durability::Replicated,
    }
}

/// In proto3 a number left out is 0.
fn or_default<T: Default + PartialEq>(given: T, default: T) -> T {
    if given == T::default() { default } else { given }
}

fn timestamp(time: prost_types::Timestamp, field: &'static str) -> Result<Timestamp, InvalidValue> {
    let invalid = || InvalidValue::new(field, "must be a time between 1970 and 9999, or left out");
    // A longer time could not be written as RFC 3339.
    const LAST_SECOND: u64 = 253_402_300_799;
    let seconds =
        u64::try_from(time.seconds).ok().filter(|&seconds| seconds <= LAST_SECOND).ok_or_else(invalid)?;
    let nanos = u32::try_from(time.nanos).ok().filter(|&nanos| nanos < 1_000_000_000).ok_or_else(invalid)?;
    Ok(Timestamp(seconds * 1000 + u64::from(nanos / 1_000_000)))
}

fn lease(lease: prost_types::Duration) -> Result<Duration, InvalidValue> {
    Duration::try_from(lease).map_err(|_| InvalidValue::new("lease_duration", "must be 100 ms to 1 h"))
}

fn pace(pace: v1::Pace) -> Result<Pace, InvalidValue> {
    Pace::new(pace.tickets_per_second, (pace.burst != 0).then_some(pace.burst))
}

fn pace_message(pace: Pace) -> v1::Pace {
    v1::Pace { tickets_per_second: pace.tickets_per_second(), burst: pace.burst }
}

fn route(route: i32) -> Result<Route, InvalidValue> {
    match v1::Route::try_from(route) {
        Ok(v1::Route::Unspecified | v1::Route::Queue) => Ok(Route::Queue),
        Ok(v1::Route::Bypass) => Ok(Route::Bypass),
        Err(_) => Err(InvalidValue::new("route", "must be ROUTE_QUEUE or ROUTE_BYPASS")),
    }
}

const fn route_message(route: Route) -> v1::Route {
    match route {
        Route::Queue => v1::Route::Queue,
        Route::Bypass => v1::Route::Bypass,
    }
}

fn durability(durability: i32) -> Result<Durability, InvalidValue> {
    match v1::Durability::try_from(durability) {
        Ok(v1::Durability::Unspecified | v1::Durability::Memory) => Ok(Durability::Memory),
        Ok(v1::Durability::Fsync) => Ok(Durability::Fsync),
        Ok(v1::Durability::Replicated) => Ok(Durability::Replicated),
        Err(_) => {
            let levels = "must be DURABILITY_MEMORY, DURABILITY_FSYNC or DURABILITY_REPLICATED";
            Err(InvalidValue::new("durability", levels))
        }
    }
}

const fn sale_state(state: SaleState) -> v1::SaleState {
    match state {
        SaleState::Scheduled => v1::SaleState::Scheduled,
        SaleState::Open => v1::SaleState::Open,
        SaleState::SoldOut => v1::SaleState::SoldOut,
        SaleState::Held => v1::SaleState::Held,
        SaleState::Ended => v1::SaleState::Ended,
        SaleState::Closed => v1::SaleState::Closed,
    }
}

fn ledger(snapshot: &SaleSnapshot) -> v1::Ledger {
    let ledger = &snapshot.ledger;
    v1::Ledger {
        admitted: count(ledger.admitted),
        waiting: count(ledger.waiting),
        in_flight: count(ledger.in_flight),
        ordered: count(ledger.ordered),
        rejected: count(ledger.rejected),
        cancelled: count(ledger.cancelled),
        expired: count(ledger.expired),
        released: count(ledger.released),
        dead: count(ledger.dead),
        free_units: snapshot.free_units(),
        reconciled: count(snapshot.reconciled),
    }
}

const fn count(count: Count) -> Option<v1::Count> {
    Some(v1::Count { tickets: count.tickets, units: count.units })
}

/// The position of a dead ticket for the poll policy: it waits for an operator, so its poll interval is the maximum.
const DEAD_POSITION: u64 = u64::MAX >> 12;

/// The status message of a ticket. `measured_pace` is in thousandths of tickets per second.
pub(crate) fn ticket_status(ticket: &TicketId, status: TicketStatus, measured_pace: u64) -> v1::TicketStatus {
    let state = status.state();
    let mut message = v1::TicketStatus {
        ticket_id: ticket.to_string(),
        state: ticket_state(state).into(),
        poll_after: poll_after(&status, measured_pace).map(duration),
        ..v1::TicketStatus::default()
    };
    match status {
        TicketStatus::Waiting { position, attempted: _ } => {
            message.position = position;
            message.eta = poll_policy::eta(position, measured_pace).map(duration);
        }
        TicketStatus::Ordered { order_id } | TicketStatus::Released { order_id } => {
            message.order_id = order_id;
        }
        TicketStatus::Rejected { reason } | TicketStatus::Dead { reason } => message.reason = reason,
        TicketStatus::Processing | TicketStatus::Cancelled | TicketStatus::Expired | TicketStatus::Lost => {}
    }
    message
}

/// When to poll again; `None` once the state is final.
pub(crate) fn poll_after(status: &TicketStatus, measured_pace: u64) -> Option<Duration> {
    let position = match status {
        TicketStatus::Waiting { position, attempted: _ } => *position,
        // Its order is being created, or it is to be restored: as near as can be.
        TicketStatus::Processing | TicketStatus::Lost => 1,
        TicketStatus::Dead { .. } => DEAD_POSITION,
        TicketStatus::Ordered { .. }
        | TicketStatus::Released { .. }
        | TicketStatus::Cancelled
        | TicketStatus::Rejected { .. }
        | TicketStatus::Expired => return None,
    };
    Some(poll_policy::poll_after(position, measured_pace, rand::random()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Sale {
        v1::Sale { stock: Some(10), ..v1::Sale::default() }
    }

    #[test]
    fn omitted_settings_have_their_default() {
        assert_eq!(settings(&message()), Ok(SaleSettings::of_stock(10)));
        let without_stock = v1::Sale { cap: Some(7), ..v1::Sale::default() };
        assert_eq!(settings(&without_stock), Ok(SaleSettings::without_stock(7)));
    }

    #[test]
    fn every_setting_round_trips() {
        let given = SaleSettings {
            cap: Some(20),
            opens_at: Some(Timestamp(1_763_800_000_001)),
            closes_at: Some(Timestamp(1_763_800_000_999)),
            unit_limit: 3,
            route: Route::Bypass,
            admission_held: true,
            fulfilment_held: true,
            pace: Some(Pace { millitickets_per_second: 1500, burst: 4 }),
            max_attempts: 9,
            lease: Duration::from_millis(1234),
            durability: Durability::Fsync,
            ..SaleSettings::of_stock(10)
        };
        let snapshot = SaleSnapshot {
            id: "phone-x".parse().unwrap(),
            settings: given.clone(),
            epoch: 1,
            version: 1,
            rises: 0,
            restoring_until: None,
            closed: false,
            created_at: Timestamp(1),
            read_at: Timestamp(2),
            last_seq: 0,
            cursor: 0,
            ledger: inrush_core::Ledger::default(),
            reconciled: Count::default(),
            measured_pace: 0,
        };
        assert_eq!(settings(&sale(&snapshot)), Ok(given));
    }

    #[test]
    fn values_that_are_none_name_their_field() {
        let field = |sale: v1::Sale| settings(&sale).unwrap_err().field;
        let before_1970 = prost_types::Timestamp { seconds: -1, nanos: 0 };
        let odd_nanos = prost_types::Timestamp { seconds: 1, nanos: -5 };
        let far_away = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        for time in [before_1970, odd_nanos, far_away] {
            assert_eq!(field(v1::Sale { open_time: Some(time), ..message() }), "open_time");
            assert_eq!(field(v1::Sale { close_time: Some(time), ..message() }), "close_time");
        }
        let negative = prost_types::Duration { seconds: -1, nanos: 0 };
        assert_eq!(field(v1::Sale { lease_duration: Some(negative), ..message() }), "lease_duration");
        assert_eq!(field(v1::Sale { route: 77, ..message() }), "route");
        assert_eq!(field(v1::Sale { durability: -1, ..message() }), "durability");
        let pace = v1::Pace { tickets_per_second: f64::NAN, burst: 1 };
        assert_eq!(field(v1::Sale { pace: Some(pace), ..message() }), "pace.tickets_per_second");
        assert_eq!(field(v1::Sale { stock: None, ..message() }), "cap");
    }
}
