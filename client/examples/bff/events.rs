//! The status of a ticket as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt as _};
use inrush_client::{CallError, Ticket, TicketStatus};
use serde::Deserialize;

use crate::{backend::Backend, problem::Problem, shapes::StatusShape};

/// The interval of keepalive comments: well below the minute after which proxies close a silent stream.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// What the ticket was requested with, so that it is restored if the store of Inrush loses it.
#[derive(Debug, Deserialize)]
pub(crate) struct Requested {
    sale: Option<String>,
    buyer: Option<String>,
    #[serde(default = "one")]
    units: u64,
    #[serde(default)]
    payload: String,
}

const fn one() -> u64 {
    1
}

impl Requested {
    fn ticket(self, signed: String) -> Ticket {
        let ticket = Ticket::from(signed);
        match (self.sale, self.buyer) {
            (Some(sale), Some(buyer)) => ticket.requested_with(sale, buyer, self.units, self.payload),
            _ => ticket,
        }
    }
}

/// `GET /tickets/{ticket}/events`: an event `status` for each change; or `problem`, which is the last one. With the
/// request of the ticket in the query (`sale`, `buyer`, `units`, `payload`), a lost ticket is restored.
pub(crate) async fn watch(
    State(backend): State<Backend>,
    Path(ticket): Path<String>,
    Query(requested): Query<Requested>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let permit = backend.watches.try_acquire_owned().map_err(|_| too_many())?;
    let statuses = backend.client.watch(&requested.ticket(ticket));
    let events = statuses
        .map(move |status| {
            // The permit is held as long as the stream.
            let _permit = &permit;
            Ok(event(status))
        })
        .take_until(backend.stop.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEPALIVE_INTERVAL)))
}

fn event(status: Result<TicketStatus, CallError>) -> Event {
    match status {
        Ok(status) => named("status", &StatusShape::from(status)),
        Err(error) => named("problem", &Problem::from(error).shape()),
    }
}

fn named(name: &str, data: &impl serde::Serialize) -> Event {
    // Neither type can fail to become JSON; the phone ignores an event without data.
    Event::default().event(name).json_data(data).unwrap_or_default()
}

fn too_many() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_WATCHES", "too many watches; retry later")
        .retry_after(Duration::from_secs(5))
}
