//! The in-flight window: the permits that bound how many entries are claimed and not settled.
//!
//! A claim first reserves permits on a stream that is up, so nothing is claimed that cannot be sent immediately.
//! An entry holds its permit as unanswered until the order system answers, then as unsettled until the store
//! has recorded the outcome.

use std::sync::Arc;

use inrush_core::store::LeaseToken;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    concurrency::{AnswerKind, ConcurrencyLimit, Sent},
    statistics::Statistics,
    stream::in_flight_table::{Due, DueLease, InFlightEntry, InFlightTable},
    stream::order_lane::{Batch, Credit, LaneId, OpenLane, OrderLane},
};

/// Free permits are worth a claim if they are at least this fraction of all. Claiming for every single permit
/// would cost one store call for each entry; a short wait for more makes batches.
const MIN_CLAIM_FRACTION: usize = 16;

/// The free permits, divided among the sales that are ready to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PermitShare {
    /// No permit is free.
    None,
    /// So few that a claim is worth it only if no more are released soon.
    Few(usize),
    /// This many for each sale.
    Enough(usize),
}

/// Shared by everything that claims, sends, extends and settles.
#[derive(Debug)]
pub(crate) struct InFlightWindow {
    state: Mutex<State>,
    statistics: Statistics,
    permit_released: Notify,
    all_answered: Notify,
    earlier_deadline: Notify,
}

#[derive(Debug)]
struct State {
    limit: ConcurrencyLimit,
    lanes: Vec<OrderLane>,
    table: InFlightTable,
    unsettled: usize,
    /// When the lease keeper checks the table next.
    next_due: Option<Instant>,
}

/// Permits on one stream, reserved for a claim. Dropping it releases them.
#[derive(Debug)]
pub(crate) struct Reservation {
    window: Arc<InFlightWindow>,
    lane: LaneId,
    generation: u64,
    permits: usize,
}

impl InFlightWindow {
    pub(crate) fn new(limit: ConcurrencyLimit, lanes: usize, statistics: Statistics) -> Arc<Self> {
        let lanes = (0..lanes).map(|_| OrderLane::default()).collect();
        Arc::new(Self {
            state: Mutex::new(State {
                limit,
                lanes,
                table: InFlightTable::default(),
                unsettled: 0,
                next_due: None,
            }),
            statistics,
            permit_released: Notify::new(),
            all_answered: Notify::new(),
            earlier_deadline: Notify::new(),
        })
    }

    /// The permits that each of `contenders` sales may reserve now.
    pub(crate) fn share(&self, contenders: usize) -> PermitShare {
        let state = self.lock();
        let free = state.free();
        let share = (free / contenders.max(1)).max(1);
        match free {
            0 => PermitShare::None,
            few if few < state.capacity() / MIN_CLAIM_FRACTION => PermitShare::Few(share),
            _ => PermitShare::Enough(share),
        }
    }

    /// Reserves up to `max` permits on the stream with the fewest that has some free; `None` if no permit is
    /// free. One reservation takes no more than the stream's part of the free permits, so that streams share
    /// the work.
    pub(crate) fn reserve(self: &Arc<Self>, max: usize) -> Option<Reservation> {
        let mut state = self.lock();
        let free = state.free();
        let with_room = state.lanes.iter().filter(|lane| lane.free() > 0).count();
        let lanes = state.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.free() > 0);
        let (index, lane) = lanes.min_by_key(|(_, lane)| lane.in_use)?;
        let permits = max.min(free.div_ceil(with_room)).min(lane.free());
        let generation = lane.open.as_ref()?.generation;
        if permits == 0 {
            return None;
        }
        lane.in_use += permits;
        Some(Reservation { window: Arc::clone(self), lane: LaneId(index), generation, permits })
    }

    /// Resolves when permits may have been released since the last call.
    pub(crate) async fn permit_released(&self) {
        self.permit_released.notified().await;
    }

    /// A stream is up, with this credit.
    pub(crate) fn open(&self, lane: LaneId, outbound: mpsc::Sender<Batch>, credit: Credit) {
        let mut state = self.lock();
        if let Some(lane) = state.lane(lane) {
            lane.generations += 1;
            lane.open = Some(OpenLane { credit, outbound, generation: lane.generations });
        }
        self.publish(&state);
    }

    /// The order system has advertised this credit on a stream, or none. Entries that are already claimed are
    /// still sent.
    pub(crate) fn grant(&self, lane: LaneId, advertised: u32) {
        let mut state = self.lock();
        let Some(open) = state.lane(lane).and_then(|lane| lane.open.as_mut()) else { return };
        let credit = open.credit.after_message(advertised);
        if std::mem::replace(&mut open.credit, credit) != credit {
            self.publish(&state);
        }
    }

    /// A stream is down: nothing more is sent on it. Returns its entries, which the caller requeues; they
    /// count as unsettled.
    pub(crate) fn close(&self, lane: LaneId) -> Vec<InFlightEntry> {
        let mut state = self.lock();
        if let Some(lane) = state.lane(lane) {
            lane.open = None;
        }
        let removed = state.table.remove_lane(lane);
        state.mark_unsettled(&removed, AnswerKind::Retry);
        self.publish(&state);
        removed
    }

    /// Removes the answered entries and returns them in order; `None` for a ticket or an attempt that is not in flight.
    pub(crate) fn answer<'a>(
        &self,
        answers: impl Iterator<Item = (&'a str, u32, AnswerKind)>,
    ) -> Vec<Option<InFlightEntry>> {
        let mut state = self.lock();
        let answered = answers
            .map(|(ticket_id, attempt, kind)| {
                let answered = state.table.remove_attempt(ticket_id, attempt);
                state.mark_unsettled(&answered, kind);
                answered
            })
            .collect();
        self.publish(&state);
        answered
    }

    /// Removes those of the entries that are still unanswered, because they could not be sent. They count as
    /// unsettled.
    pub(crate) fn withdraw(&self, unsent: impl Iterator<Item = (String, LeaseToken)>) -> Vec<InFlightEntry> {
        let mut state = self.lock();
        let withdrawn: Vec<InFlightEntry> = unsent
            .filter_map(|(ticket_id, lease_token)| state.table.remove_leased(ticket_id, lease_token))
            .collect();
        state.mark_unsettled(&withdrawn, AnswerKind::Retry);
        self.publish(&state);
        withdrawn
    }

    /// Releases the permits of entries whose outcome is recorded, or can no longer be.
    pub(crate) fn settled(&self, entries: usize) {
        let mut state = self.lock();
        state.unsettled = state.unsettled.saturating_sub(entries);
        self.publish(&state);
    }

    /// Returns what is due, and when to call again. Entries past their deadline count as unsettled.
    pub(crate) fn take_due(&self, now: Instant) -> Due {
        let mut state = self.lock();
        let due = state.table.take_due(now);
        state.next_due = due.next;
        state.mark_unsettled(&due.overdue, AnswerKind::Retry);
        self.publish(&state);
        due
    }

    /// Resolves when something is due before the time that the last [`InFlightWindow::take_due`] returned.
    pub(crate) async fn earlier_deadline(&self) {
        self.earlier_deadline.notified().await;
    }

    /// Records leases that were extended, each with the time of its next extension.
    pub(crate) fn mark_extended(&self, leases: impl Iterator<Item = (DueLease, Instant)>) {
        let mut state = self.lock();
        for (lease, renew_at) in leases {
            state.table.mark_extended(&lease, renew_at);
        }
    }

    /// Removes entries whose lease was lost: another worker has them. Returns how many were still unanswered.
    pub(crate) fn remove_lost(&self, leases: impl Iterator<Item = DueLease>) -> usize {
        let mut state = self.lock();
        let mut removed = 0;
        for DueLease { ticket_id, lease_token, .. } in leases {
            if let Some(unanswered) = state.table.remove_leased(ticket_id, lease_token) {
                state.release_permit(unanswered.lane);
                removed += 1;
            }
        }
        self.publish(&state);
        removed
    }

    /// Resolves when no entry is unanswered.
    pub(crate) async fn all_answered(&self) {
        loop {
            let all_answered = self.all_answered.notified();
            if self.lock().table.len() == 0 {
                return;
            }
            all_answered.await;
        }
    }

    /// The number of entries that are answered and not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.lock().unsettled
    }

    /// The capacity of the queue into one stream.
    pub(crate) fn max_queue_len(&self) -> usize {
        self.lock().limit.ceiling()
    }

    fn publish(&self, state: &State) {
        self.statistics.set_in_flight(state.table.len() + state.unsettled);
        self.statistics.set_unanswered(state.table.len());
        self.statistics.set_concurrency(state.limit.current());
        self.statistics.set_streams(state.lanes.iter().filter(|lane| lane.open.is_some()).count());
        self.permit_released.notify_one();
        if state.table.len() == 0 {
            self.all_answered.notify_waiters();
        }
    }

    /// The state is valid after every statement, so a panic while the lock was held does no harm here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn lane(&mut self, LaneId(index): LaneId) -> Option<&mut OrderLane> {
        self.lanes.get_mut(index)
    }

    fn in_use(&self) -> usize {
        self.lanes.iter().map(|lane| lane.in_use).sum()
    }

    fn capacity(&self) -> usize {
        let permits = self.lanes.iter().map(OrderLane::permits).fold(0, usize::saturating_add);
        permits.min(self.limit.current())
    }

    fn free(&self) -> usize {
        let in_use = self.in_use();
        let on_lanes = self.lanes.iter().map(OrderLane::free).fold(0, usize::saturating_add);
        on_lanes
            .min(self.limit.current().saturating_sub(in_use))
            .min(self.limit.with_unsettled().saturating_sub(in_use + self.unsettled))
    }

    fn release_permit(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane(lane) {
            lane.in_use = lane.in_use.saturating_sub(1);
        }
    }

    /// Counts removed entries as unsettled and reports their answers to the limit.
    fn mark_unsettled<'a>(&mut self, removed: impl IntoIterator<Item = &'a InFlightEntry>, kind: AnswerKind) {
        let now = Instant::now();
        for unanswered in removed {
            self.release_permit(unanswered.lane);
            self.unsettled += 1;
            if let Some(sent) = unanswered.sent {
                self.limit.on_answer(sent, kind, now);
            }
        }
    }

    fn update_next_due(&mut self, at: Instant) -> bool {
        let is_earlier = self.next_due.is_none_or(|next| at < next);
        if is_earlier {
            self.next_due = Some(at);
        }
        is_earlier
    }
}

impl Reservation {
    pub(crate) const fn permits(&self) -> usize {
        self.permits
    }

    pub(crate) const fn lane(&self) -> LaneId {
        self.lane
    }

    /// Turns the permits into in-flight entries and returns the sender into their stream.
    ///
    /// # Errors
    /// The entries, if the stream has broken since: the caller requeues them, and they count as
    /// unsettled.
    pub(crate) fn fill(
        mut self,
        entries: Vec<(String, InFlightEntry)>,
    ) -> Result<mpsc::Sender<Batch>, Vec<InFlightEntry>> {
        let window = Arc::clone(&self.window);
        let mut state = window.lock();
        let permits = std::mem::take(&mut self.permits);
        let outbound = state.lane(self.lane).and_then(|lane| {
            lane.in_use = lane.in_use.saturating_sub(permits);
            let open = lane.open.as_ref().filter(|open| open.generation == self.generation)?;
            Some(open.outbound.clone())
        });
        let Some(outbound) = outbound else {
            state.unsettled += entries.len();
            window.publish(&state);
            return Err(entries.into_iter().map(|(_, unanswered)| unanswered).collect());
        };
        let mut is_earlier = false;
        let sent = Sent { at: Instant::now(), alongside: state.in_use() + entries.len() };
        for (ticket_id, mut unanswered) in entries {
            unanswered.sent = Some(sent);
            is_earlier |= state.update_next_due(unanswered.renew_at.min(unanswered.overdue_at));
            if let Some(lane) = state.lane(unanswered.lane) {
                lane.in_use += 1;
            }
            if let Some(replaced) = state.table.insert(ticket_id, unanswered) {
                state.release_permit(replaced.lane);
            }
        }
        state.limit.on_sent(sent.alongside, sent.at);
        window.publish(&state);
        if is_earlier {
            window.earlier_deadline.notify_one();
        }
        Ok(outbound)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.permits == 0 {
            return;
        }
        let mut state = self.window.lock();
        if let Some(lane) = state.lane(self.lane) {
            lane.in_use = lane.in_use.saturating_sub(self.permits);
        }
        self.window.publish(&state);
    }
}

#[cfg(test)]
mod tests;
