//! Settings on their way into the scripts, and sales on their way out; `lua/include/snapshot.lua` has the same order.

use std::time::Duration;

use inrush_core::{
    ledger::{Count, Ledger},
    sale::{Pace, Route, SaleId, SaleSettings, SaleSnapshot},
    store::{Durability, StoreError},
    time::Timestamp,
};

use super::{reply::Reply, script::Call};

/// Adds all settings to the arguments of a call, an empty one for each that is absent.
pub(super) fn add_settings(call: &mut Call<'_>, settings: &SaleSettings) {
    let route = match settings.route {
        Route::Queue => 0,
        Route::Bypass => 1,
    };
    let durability = match settings.durability {
        Durability::Memory => 0,
        Durability::Fsync => 1,
        Durability::Replicated => 2,
    };
    add_optional(call, settings.stock);
    add_optional(call, settings.cap);
    add_optional(call, settings.opens_at.map(|time| time.0));
    add_optional(call, settings.closes_at.map(|time| time.0));
    call.add(settings.unit_limit);
    call.add(route);
    call.add(u8::from(settings.admission_held));
    call.add(u8::from(settings.fulfilment_held));
    add_optional(call, settings.pace.map(|pace| pace.millitickets_per_second));
    add_optional(call, settings.pace.map(|pace| pace.burst));
    call.add(settings.max_attempts);
    call.add(settings.lease_millis());
    call.add(durability);
}

fn add_optional(call: &mut Call<'_>, value: Option<u64>) {
    match value {
        Some(value) => call.add(value),
        None => call.add(""),
    }
}

/// Reads a whole sale.
pub(super) fn read_snapshot(reply: &mut Reply, id: &SaleId) -> Result<SaleSnapshot, StoreError> {
    let read_at = Timestamp(reply.unsigned()?);
    let epoch = reply.unsigned()?;
    let version = reply.unsigned()?;
    let closed = reply.flag()?;
    let rises = reply.unsigned()?;
    let restoring_until = reply.optional()?.map(Timestamp);
    let created_at = Timestamp(reply.unsigned()?);
    let last_seq = reply.unsigned()?;
    let cursor = reply.unsigned()?;
    let measured_pace = reply.unsigned()?;
    Ok(SaleSnapshot {
        id: id.clone(),
        settings: read_settings(reply)?,
        epoch,
        version,
        closed,
        rises,
        restoring_until,
        created_at,
        read_at,
        last_seq,
        cursor,
        ledger: read_ledger(reply)?,
        reconciled: read_count(reply)?,
        measured_pace,
    })
}

fn read_settings(reply: &mut Reply) -> Result<SaleSettings, StoreError> {
    let stock = reply.optional()?;
    let cap = reply.optional()?;
    let opens_at = reply.optional()?.map(Timestamp);
    let closes_at = reply.optional()?.map(Timestamp);
    let unit_limit = reply.unsigned()?;
    let route = if reply.flag()? { Route::Bypass } else { Route::Queue };
    let admission_held = reply.flag()?;
    let fulfilment_held = reply.flag()?;
    let pace = match (reply.optional()?, reply.optional()?) {
        (Some(millitickets_per_second), Some(burst)) => Some(Pace { millitickets_per_second, burst }),
        (None, None) => None,
        _ => return Err(reply.unexpected("a pace has either both its parts or none")),
    };
    Ok(SaleSettings {
        stock,
        cap,
        opens_at,
        closes_at,
        unit_limit,
        route,
        admission_held,
        fulfilment_held,
        pace,
        max_attempts: reply.small()?,
        lease: Duration::from_millis(reply.unsigned()?),
        durability: read_durability(reply)?,
    })
}

/// Reads the durability that a sale is meant to have.
pub(super) fn read_durability(reply: &mut Reply) -> Result<Durability, StoreError> {
    match reply.unsigned()? {
        0 => Ok(Durability::Memory),
        1 => Ok(Durability::Fsync),
        2 => Ok(Durability::Replicated),
        other => Err(reply.unexpected(&format!("{other} is no level of durability"))),
    }
}

fn read_count(reply: &mut Reply) -> Result<Count, StoreError> {
    Ok(Count { tickets: reply.unsigned()?, units: reply.unsigned()? })
}

fn read_ledger(reply: &mut Reply) -> Result<Ledger, StoreError> {
    let mut count = || read_count(reply);
    Ok(Ledger {
        admitted: count()?,
        waiting: count()?,
        retrying: count()?,
        in_flight: count()?,
        ordered: count()?,
        rejected: count()?,
        cancelled: count()?,
        expired: count()?,
        released: count()?,
        dead: count()?,
    })
}
