//! The end of a sale: polls every ticket once more, so that the checks do not depend on when each buyer polled last.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use inrush_proto::v1::{
    BatchPollStatusRequest, BatchPollStatusResponse, batch_poll_status_result::Result as One,
};
use tokio::time::sleep;

use super::{buyers::Buyers, shared::Phase, ticket::is_final};
use crate::rpc::{Method, decoded};

/// Tickets per call: the maximum of a front.
const AT_A_TIME: usize = 256;

/// Calls in flight.
const CALLS: usize = 8;

/// Pause between two rounds for tickets that are not final, or whose poll failed.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(200);

/// Polls every ticket. If the sale was closed, polls those that are not final again, until all are or the time limit is
/// over.
pub(super) async fn run(buyers: &Rc<Buyers>) {
    let all = u32::try_from(buyers.state.borrow().tickets.len()).unwrap_or(u32::MAX);
    let mut open: Vec<u32> = (0..all).collect();
    while !open.is_empty() && buyers.part.shared.phase() == Phase::FinalCheck {
        let unanswered = ask_all(buyers, &open).await;
        open.retain(|place| unanswered.contains(place) || (buyers.part.closes && !is_over(buyers, *place)));
        if !open.is_empty() {
            sleep(BETWEEN_ROUNDS).await;
        }
    }
}

fn is_over(buyers: &Buyers, place: u32) -> bool {
    let state = buyers.state.borrow();
    let ticket = usize::try_from(place).ok().and_then(|place| state.tickets.get(place));
    ticket.is_none_or(|ticket| is_final(ticket.state))
}

/// Returns the tickets without an answer.
async fn ask_all(buyers: &Rc<Buyers>, places: &[u32]) -> std::collections::HashSet<u32> {
    let mut chunks: VecDeque<Vec<u32>> = places.chunks(AT_A_TIME).map(<[u32]>::to_vec).collect();
    let mut calls = FuturesUnordered::new();
    let mut unanswered = std::collections::HashSet::new();
    while buyers.part.shared.phase() == Phase::FinalCheck {
        while calls.len() < CALLS
            && let Some(chunk) = chunks.pop_front()
        {
            calls.push(ask(Rc::clone(buyers), chunk));
        }
        match calls.next().await {
            Some(missing) => unanswered.extend(missing),
            None => break,
        }
    }
    unanswered
}

async fn ask(buyers: Rc<Buyers>, places: Vec<u32>) -> Vec<u32> {
    let signed = {
        let state = buyers.state.borrow();
        let tickets = places.iter().filter_map(|place| state.tickets.get(usize::try_from(*place).ok()?));
        tickets.map(|ticket| ticket.signed.to_string()).collect()
    };
    let sent = buyers.send_mark();
    let connection = places.first().copied().unwrap_or_default();
    let request = BatchPollStatusRequest { tickets: signed };
    let answer = buyers.calls.call(Method::BatchPollStatus, &request, connection).await;
    let results = decoded::<BatchPollStatusResponse>(answer).map(|answer| answer.results).unwrap_or_default();
    let results = results.into_iter().map(|result| result.result).chain(std::iter::repeat(None));
    let mut missing = Vec::new();
    for (place, result) in places.into_iter().zip(results) {
        match result {
            Some(One::Status(status)) => buyers.update_ticket(place, &status, sent),
            Some(One::Error(_)) | None => missing.push(place),
        }
    }
    missing
}
