//! What a sale waits for, in one sentence.

use inrush_report::format;

use super::{scenario::Scenario, shared::Moment};

/// What the sale waits for, so that a live view explains why it does not change. `None` during the rush.
pub fn status(scenario: &Scenario, moment: &Moment) -> Option<String> {
    if moment.answered < u64::from(scenario.buyers) {
        return None;
    }
    let all_sold = moment.ordered + scenario.units_per_ticket > scenario.units;
    match *moment {
        Moment { waiting, unpaid: 1.., .. } if all_sold && waiting > 0 => Some(format!(
            "all sold: {} on standby for units of unpaid orders",
            counted(waiting, "buyer is", "buyers are")
        )),
        Moment { unpaid: unpaid @ 1.., .. } if all_sold => {
            Some(format!("all sold: {} waiting for payment", counted(unpaid, "order is", "orders are")))
        }
        Moment { in_flight: in_flight @ 1.., .. } => {
            Some(format!("{} being created", counted(in_flight, "order is", "orders are")))
        }
        _ if all_sold => Some("all sold: buyers are getting their orders".to_owned()),
        Moment { waiting: waiting @ 1.., .. } => {
            Some(format!("{} waiting to be served", counted(waiting, "buyer is", "buyers are")))
        }
        _ => None,
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", format::count(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(moment: Moment) -> Option<String> {
        let scenario = Scenario { buyers: 100, units: 10, ..Scenario::default() };
        status(&scenario, &moment)
    }

    #[test]
    fn a_sale_that_does_not_change_has_a_status() {
        let rush = Moment { arrived: 50, answered: 40, ..Moment::default() };
        assert_eq!(text_of(rush), None);
        let sold = Moment { answered: 100, ordered: 10, ..Moment::default() };
        let standby = Moment { waiting: 5, unpaid: 2, ..sold };
        let wanted = "all sold: 5 buyers are on standby for units of unpaid orders";
        assert_eq!(text_of(standby).as_deref(), Some(wanted));
        let unpaid = Moment { unpaid: 1, ..sold };
        assert_eq!(text_of(unpaid).as_deref(), Some("all sold: 1 order is waiting for payment"));
        let selling = Moment { answered: 100, ordered: 4, in_flight: 3, ..Moment::default() };
        assert_eq!(text_of(selling).as_deref(), Some("3 orders are being created"));
    }
}
