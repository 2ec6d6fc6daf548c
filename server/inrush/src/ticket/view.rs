//! Tickets as text and JSON.

use inrush_client::{
    Cancellation, Durability, Enqueued, Refusal, RefusalReason, Released, TicketState, TicketStatus,
};
use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::{
    format::{self, count, counted},
    output::{Output, Render, Style},
};

/// The response to an Enqueue.
pub(super) struct Answer {
    /// The sale.
    pub(super) sale_id: String,
    /// The outcome.
    pub(super) outcome: Enqueued,
}

impl Render for Answer {
    fn text(&self, output: &Output) -> String {
        match &self.outcome {
            Enqueued::Queued { ticket, status, repeated, .. } => {
                let again = if *repeated { " (repeated: the buyer had it already)" } else { "" };
                format!("{}\nticket: {}{again}", line(status, output), ticket.as_str())
            }
            Enqueued::Refused(refusal) => format!(
                "{}: {}",
                output.paint(Style::Warning, &format!("refused, {}", refusal.reason.as_str())),
                explanation(&self.sale_id, refusal)
            ),
            Enqueued::Bypass => {
                format!(
                    "{} sends buyers to the normal purchase flow",
                    output.paint(Style::Title, &self.sale_id)
                )
            }
        }
    }

    fn json(&self) -> Value {
        match &self.outcome {
            Enqueued::Queued { ticket, status, repeated, durability } => json!({
                "outcome": "queued",
                "ticket": ticket.as_str(),
                "status": status.json(),
                "repeated": repeated,
                "durability": durability_name(*durability),
            }),
            Enqueued::Refused(refusal) => refusal_json(refusal),
            Enqueued::Bypass => json!({ "outcome": "bypass" }),
        }
    }
}

impl Render for TicketStatus {
    fn text(&self, output: &Output) -> String {
        let mut text = line(self, output);
        if let Some(poll_after) = self.poll_after {
            text.push_str(&format!("\npoll again in {}", format::duration(poll_after)));
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "ticket_id": self.ticket_id,
            "state": self.state.as_str(),
            "position": self.position,
            "eta_seconds": self.eta.map(|eta| eta.as_secs_f64()),
            "poll_after_seconds": self.poll_after.map(|delay| delay.as_secs_f64()),
            "order_id": self.order_id,
            "reason": self.reason,
        })
    }
}

impl Render for Cancellation {
    fn text(&self, output: &Output) -> String {
        line(self.status(), output)
    }

    fn json(&self) -> Value {
        json!({ "cancelled": matches!(self, Self::Cancelled(_)), "status": self.status().json() })
    }
}

impl Render for Released {
    fn text(&self, output: &Output) -> String {
        let again = if self.repeated { " (it was already)" } else { "" };
        format!("{}{again}", line(&self.status, output))
    }

    fn json(&self) -> Value {
        json!({ "repeated": self.repeated, "status": self.status.json() })
    }
}

/// The status of a ticket in one line: `phone-x/1763/42  WAITING  position 1,204, about 2 min 10 s`.
pub(super) fn line(status: &TicketStatus, output: &Output) -> String {
    let state = output.paint(style(status.state), status.state.as_str());
    let details: Vec<String> = [
        status.position.map(|position| format!("position {}", count(position))),
        status.eta.map(|eta| format!("about {}", format::duration(eta))),
        status.order_id.as_ref().map(|order| format!("order {order}")),
        status.reason.clone(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let line = format!("{}  {state}  {}", output.paint(Style::Title, &status.ticket_id), details.join(", "));
    line.trim_end().to_owned()
}

fn explanation(sale_id: &str, refusal: &Refusal) -> String {
    let again =
        refusal.retry_after.map(|delay| format!("; retry in {} at the earliest", format::duration(delay)));
    let why = match refusal.reason {
        RefusalReason::SoldOut => {
            format!("{sale_id} has fewer free units than requested; cancelled units become free again")
        }
        RefusalReason::NotOpen { open_time } => match open_time {
            Some(time) => format!("{sale_id} opens {}", format::moment(Timestamp::from(time))),
            None => format!("{sale_id} is not open yet"),
        },
        RefusalReason::Closed => format!("{sale_id} is closed"),
        RefusalReason::Held => format!("admission to {sale_id} is held by an operator"),
        RefusalReason::UnitLimit { unit_limit } => {
            format!("one ticket of {sale_id} has at most {}", counted(unit_limit, "unit"))
        }
        _ => "this version of inrush does not know the server's reason".to_owned(),
    };
    why + &again.unwrap_or_default()
}

fn refusal_json(refusal: &Refusal) -> Value {
    let open_time = match refusal.reason {
        RefusalReason::NotOpen { open_time } => open_time.map(|time| Timestamp::from(time).to_string()),
        _ => None,
    };
    let unit_limit = match refusal.reason {
        RefusalReason::UnitLimit { unit_limit } => Some(unit_limit),
        _ => None,
    };
    json!({
        "outcome": "refused",
        "reason": refusal.reason.as_str(),
        "open_time": open_time,
        "unit_limit": unit_limit,
        "retry_after_seconds": refusal.retry_after.map(|delay| delay.as_secs_f64()),
    })
}

const fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "MEMORY",
        Durability::Fsync => "FSYNC",
        Durability::Replicated => "REPLICATED",
        _ => "UNKNOWN",
    }
}

const fn style(state: TicketState) -> Style {
    match state {
        TicketState::Waiting | TicketState::Processing => Style::Warning,
        TicketState::Ordered => Style::Good,
        TicketState::Rejected | TicketState::Dead | TicketState::Lost => Style::Bad,
        _ => Style::Dim,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waiting() -> TicketStatus {
        TicketStatus {
            ticket_id: "phone-x/1763/42".to_owned(),
            state: TicketState::Waiting,
            position: Some(1204),
            eta: Some(Duration::from_secs(130)),
            poll_after: Some(Duration::from_secs(3)),
            order_id: None,
            reason: None,
        }
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(
            line(&waiting(), &Output::plain()),
            "phone-x/1763/42  WAITING  position 1,204, about 2 min 10 s"
        );
        let cancelled =
            TicketStatus { state: TicketState::Cancelled, position: None, eta: None, ..waiting() };
        assert_eq!(line(&cancelled, &Output::plain()), "phone-x/1763/42  CANCELLED");
        assert!(waiting().text(&Output::plain()).ends_with("poll again in 3 s"));
    }

    #[test]
    fn a_refusal_has_its_reason_and_when_to_retry() {
        let refused = |reason| {
            let outcome = Enqueued::Refused(Refusal { reason, retry_after: Some(Duration::from_secs(5)) });
            Answer { sale_id: "phone-x".to_owned(), outcome }
        };
        let limit = refused(RefusalReason::UnitLimit { unit_limit: 2 });
        assert_eq!(
            limit.text(&Output::plain()),
            "refused, UNIT_LIMIT: one ticket of phone-x has at most 2 units; retry in 5 s at the earliest"
        );
        assert_eq!((&limit.json()["outcome"], &limit.json()["unit_limit"]), (&json!("refused"), &json!(2)));
        let not_open = refused(RefusalReason::NotOpen { open_time: Some(std::time::SystemTime::UNIX_EPOCH) });
        assert_eq!(not_open.json()["open_time"], "1970-01-01T00:00:00Z");
    }
}
