//! Requests to create and update a sale, from flags.

use inrush_client::proto::{Durability, Pace, Route, Sale};

use crate::cli::{
    sale::{self as flags, Create, Part, SaleFlags, Update},
    values::OrNone,
};

/// The sale of a creation.
pub(super) fn creation(create: &Create) -> Sale {
    let (mut sale, _) = settings(&create.sale_id, &create.settings);
    let durability = match create.durability {
        flags::Durability::Memory => Durability::Memory,
        flags::Durability::Fsync => Durability::Fsync,
        flags::Durability::Replicated => Durability::Replicated,
    };
    sale.set_durability(durability);
    sale.admission_held = create.hold.contains(&Part::Admission);
    sale.fulfilment_held = create.hold.contains(&Part::Fulfilment);
    sale
}

/// The new values, and the names of the fields that change.
pub(super) fn update(update: &Update) -> (Sale, Vec<&'static str>) {
    let (mut sale, fields) = settings(&update.sale_id, &update.settings);
    sale.version = update.if_version.unwrap_or_default();
    (sale, fields)
}

/// The fields of all flags that are set; `none` leaves the field without a value.
fn settings(sale_id: &str, given: &SaleFlags) -> (Sale, Vec<&'static str>) {
    let mut sale = Sale { sale_id: sale_id.to_owned(), ..Sale::default() };
    let mut fields = Vec::new();
    let mut named = |field: &'static str, given: bool| {
        if given {
            fields.push(field);
        }
    };
    named("stock", given.stock.is_some());
    sale.stock = value(given.stock).map(|stock| stock.0);
    named("cap", given.cap.is_some());
    sale.cap = value(given.cap).map(|cap| cap.0);
    named("open_time", given.open.is_some());
    sale.open_time = value(given.open).map(|moment| moment.0);
    named("close_time", given.close.is_some());
    sale.close_time = value(given.close).map(|moment| moment.0);
    named("unit_limit", given.unit_limit.is_some());
    sale.unit_limit = value(given.unit_limit).map(|limit| limit.0).unwrap_or_default();
    named("route", given.route.is_some());
    sale.set_route(given.route.map_or(Route::Unspecified, route));
    named("pace", given.pace.is_some());
    let burst = given.burst.map(|burst| burst.0).unwrap_or_default();
    sale.pace = value(given.pace).map(|rate| Pace { tickets_per_second: rate.per_second, burst });
    named("max_attempts", given.max_attempts.is_some());
    sale.max_attempts = value(given.max_attempts).unwrap_or_default();
    named("lease_duration", given.lease.is_some());
    sale.lease_duration = value(given.lease).and_then(|lease| lease.0.try_into().ok());
    (sale, fields)
}

fn value<T>(given: Option<OrNone<T>>) -> Option<T> {
    given.and_then(OrNone::into_option)
}

const fn route(route: flags::Route) -> Route {
    match route {
        flags::Route::Queue => Route::Queue,
        flags::Route::Bypass => Route::Bypass,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, sale::SaleCommand};

    fn parsed(arguments: &str) -> SaleCommand {
        let command = Cli::parse_from(format!("inrush sale {arguments}").split_whitespace()).command;
        let Command::Sale(args) = command else { panic!("not a sale command") };
        args.command
    }

    #[test]
    fn a_creation_has_every_setting() {
        let SaleCommand::Create(create) = parsed(
            "create phone-x --stock 2_000 --cap 2400 --open 2026-11-11T20:00:00+01:00 --close 2026-11-11T21:00:00Z \
             --unit-limit 2 --route bypass --pace 500/s --burst 20 --max-attempts 3 --lease 10s --durability fsync \
             --hold fulfilment",
        ) else {
            panic!("not a creation")
        };
        let sale = creation(&create);
        assert_eq!(
            (sale.stock, sale.cap, sale.unit_limit, sale.max_attempts),
            (Some(2000), Some(2400), 2, 3)
        );
        assert_eq!(sale.open_time.unwrap().to_string(), "2026-11-11T19:00:00Z");
        assert_eq!(sale.close_time.unwrap().to_string(), "2026-11-11T21:00:00Z");
        assert_eq!((sale.route(), sale.durability()), (Route::Bypass, Durability::Fsync));
        assert_eq!(sale.pace, Some(Pace { tickets_per_second: 500.0, burst: 20 }));
        assert_eq!(sale.lease_duration.unwrap().seconds, 10);
        assert!(sale.fulfilment_held && !sale.admission_held);
    }

    #[test]
    fn an_update_names_only_the_fields_of_its_flags() {
        let SaleCommand::Update(given) = parsed("update phone-x --stock 2500 --pace none --if-version 7")
        else {
            panic!("not an update")
        };
        let (sale, fields) = update(&given);
        assert_eq!(fields, ["stock", "pace"]);
        assert_eq!((sale.stock, sale.pace, sale.version), (Some(2500), None, 7));
    }

    #[test]
    fn an_update_without_settings_is_a_usage_error() {
        let error = Cli::try_parse_from(["inrush", "sale", "update", "phone-x"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
        assert!(error.to_string().contains("--stock"), "{error}");
    }
}
