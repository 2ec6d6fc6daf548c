//! The window: the bounded number of places that claimed entries take from their claim until they are settled.
//!
//! A claim first reserves places on a stream that is up, so nothing is ever claimed that cannot be sent at once. A
//! place is unanswered until the order system answers, then unsettled until the store has recorded the outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inrush_core::store::Leased;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    concurrency::ConcurrencyLimit,
    lane::{Batch, Credit, Lane, LaneId, OpenLane},
    statistics::Statistics,
    unanswered::{Due, DueLease, Table, Unanswered},
};

/// This part of all places is worth a claim at once. Filling each place the moment it is free would cost a store call
/// per entry; waiting an instant for a few to come together turns them into batches.
const WORTH_CLAIMING: usize = 16;

/// The free places, shared among the sales that want them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// There are none.
    Nothing,
    /// So few that they are worth a claim only if no more come soon.
    Few(usize),
    /// This many for each.
    Enough(usize),
}

/// Shared by everything that claims, sends, extends and settles.
#[derive(Debug)]
pub(crate) struct Window {
    state: Mutex<State>,
    limit: ConcurrencyLimit,
    statistics: Statistics,
    freed: Notify,
    emptied: Notify,
    due_sooner: Notify,
}

#[derive(Debug)]
struct State {
    lanes: Vec<Lane>,
    table: Table,
    unsettled: usize,
    /// When the lease keeper looks at the table next.
    next_due: Option<Instant>,
}

/// Places on one stream, kept free for a claim. Dropped unfilled, they are free again.
#[derive(Debug)]
pub(crate) struct Reservation {
    window: Arc<Window>,
    lane: LaneId,
    generation: u64,
    places: usize,
}

impl Window {
    pub(crate) fn new(limit: ConcurrencyLimit, lanes: usize, statistics: Statistics) -> Arc<Self> {
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Arc::new(Self {
            state: Mutex::new(State { lanes, table: Table::default(), unsettled: 0, next_due: None }),
            limit,
            statistics,
            freed: Notify::new(),
            emptied: Notify::new(),
            due_sooner: Notify::new(),
        })
    }

    /// How many places each of `contenders` sales may reserve now.
    pub(crate) fn share(&self, contenders: usize) -> Share {
        let state = self.lock();
        let free = state.free(self.limit);
        let share = (free / contenders.max(1)).max(1);
        match free {
            0 => Share::Nothing,
            few if few < state.capacity(self.limit) / WORTH_CLAIMING => Share::Few(share),
            _ => Share::Enough(share),
        }
    }

    /// Reserves up to `most` places on the stream with the fewest unanswered entries that has room; none when there is no
    /// free place. One reservation takes no more than a stream's part of the free places, so that streams share the work.
    pub(crate) fn reserve(self: &Arc<Self>, most: usize) -> Option<Reservation> {
        let mut state = self.lock();
        let free = state.free(self.limit);
        let with_room = state.lanes.iter().filter(|lane| lane.free() > 0).count();
        let lanes = state.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.free() > 0);
        let (index, lane) = lanes.min_by_key(|(_, lane)| lane.taken)?;
        let places = most.min(free.div_ceil(with_room)).min(lane.free());
        let generation = lane.open.as_ref()?.generation;
        if places == 0 {
            return None;
        }
        lane.taken += places;
        Some(Reservation { window: Arc::clone(self), lane: LaneId(index), generation, places })
    }

    /// Resolves when places may have become free since the last time.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// A stream is up, with this credit.
    pub(crate) fn open(&self, lane: LaneId, outbound: mpsc::Sender<Batch>, credit: Credit) {
        let mut state = self.lock();
        if let Some(lane) = state.lane(lane) {
            lane.generations += 1;
            lane.open = Some(OpenLane { credit, outbound, generation: lane.generations });
        }
        self.changed(&state);
    }

    /// The order system has spoken on a stream, and advertised this much credit or none. Entries that were claimed
    /// before are still sent.
    pub(crate) fn grant(&self, lane: LaneId, advertised: u32) {
        let mut state = self.lock();
        let Some(open) = state.lane(lane).and_then(|lane| lane.open.as_mut()) else { return };
        let credit = open.credit.after_message(advertised);
        if std::mem::replace(&mut open.credit, credit) != credit {
            self.changed(&state);
        }
    }

    /// A stream is down: nothing more goes into it, and its entries are the caller's to hand back. They stay unsettled.
    pub(crate) fn close(&self, lane: LaneId) -> Vec<Unanswered> {
        let mut state = self.lock();
        if let Some(lane) = state.lane(lane) {
            lane.open = None;
        }
        let taken_out = state.table.remove_lane(lane);
        state.unsettle(&taken_out);
        self.changed(&state);
        taken_out
    }

    /// Takes the entries out that were answered, in that order; none for a ticket nobody waits for.
    pub(crate) fn answer<'a>(&self, ticket_ids: impl Iterator<Item = &'a str>) -> Vec<Option<Unanswered>> {
        let mut state = self.lock();
        let answered: Vec<Option<Unanswered>> = ticket_ids.map(|id| state.table.remove(id)).collect();
        state.unsettle(answered.iter().flatten());
        self.changed(&state);
        answered
    }

    /// Takes those of the entries out that are still unanswered: they could not be sent. They stay unsettled.
    pub(crate) fn withdraw(&self, unsent: impl Iterator<Item = (String, Leased)>) -> Vec<Unanswered> {
        let mut state = self.lock();
        let withdrawn: Vec<Unanswered> =
            unsent.filter_map(|(ticket_id, leased)| state.table.remove_leased(ticket_id, leased)).collect();
        state.unsettle(&withdrawn);
        self.changed(&state);
        withdrawn
    }

    /// Entries whose outcome is recorded, or can no longer be, give their places back.
    pub(crate) fn settled(&self, entries: usize) {
        let mut state = self.lock();
        state.unsettled = state.unsettled.saturating_sub(entries);
        self.changed(&state);
    }

    /// What has come due, and when to ask again. Entries that are overdue stay unsettled.
    pub(crate) fn take_due(&self, now: Instant) -> Due {
        let mut state = self.lock();
        let due = state.table.take_due(now);
        state.next_due = due.next;
        state.unsettle(&due.overdue);
        self.changed(&state);
        due
    }

    /// Resolves when something comes due sooner than the last [`Window::take_due`] said.
    pub(crate) async fn due_sooner(&self) {
        self.due_sooner.notified().await;
    }

    /// Notes leases that were extended, each with the time when it should be again.
    pub(crate) fn extended(&self, leases: impl Iterator<Item = (DueLease, Instant)>) {
        let mut state = self.lock();
        for (lease, renew_at) in leases {
            state.table.extended(&lease, renew_at);
        }
    }

    /// Forgets entries whose lease was lost: they are somebody else's now. Returns how many were still unanswered.
    pub(crate) fn lost(&self, leases: impl Iterator<Item = DueLease>) -> usize {
        let mut state = self.lock();
        let mut forgotten = 0;
        for DueLease { ticket_id, leased, .. } in leases {
            if let Some(unanswered) = state.table.remove_leased(ticket_id, leased) {
                state.free_place(unanswered.lane);
                forgotten += 1;
            }
        }
        self.changed(&state);
        forgotten
    }

    /// Resolves once nothing is unanswered.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().table.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Entries that are answered and not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.lock().unsettled
    }

    /// Most entries that can wait in the queue of one stream.
    pub(crate) const fn longest_queue(&self) -> usize {
        self.limit.current()
    }

    fn changed(&self, state: &State) {
        self.statistics.set_in_flight(state.table.len() + state.unsettled);
        self.statistics.set_streams(state.lanes.iter().filter(|lane| lane.open.is_some()).count());
        self.freed.notify_one();
        if state.table.len() == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// A panic while the lock was held is a defect of its own; the numbers are whole after each statement that matters.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lane(&mut self, LaneId(index): LaneId) -> Option<&mut Lane> {
        self.lanes.get_mut(index)
    }

    fn taken(&self) -> usize {
        self.lanes.iter().map(|lane| lane.taken).sum()
    }

    fn capacity(&self, limit: ConcurrencyLimit) -> usize {
        let places = self.lanes.iter().map(Lane::places).fold(0, usize::saturating_add);
        places.min(limit.current())
    }

    fn free(&self, limit: ConcurrencyLimit) -> usize {
        let taken = self.taken();
        let on_lanes = self.lanes.iter().map(Lane::free).fold(0, usize::saturating_add);
        on_lanes
            .min(limit.current().saturating_sub(taken))
            .min(limit.with_unsettled().saturating_sub(taken + self.unsettled))
    }

    fn free_place(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane(lane) {
            lane.taken = lane.taken.saturating_sub(1);
        }
    }

    fn unsettle<'a>(&mut self, taken_out: impl IntoIterator<Item = &'a Unanswered>) {
        for unanswered in taken_out {
            self.free_place(unanswered.lane);
            self.unsettled += 1;
        }
    }

    fn note_due(&mut self, at: Instant) -> bool {
        let sooner = self.next_due.is_none_or(|next| at < next);
        if sooner {
            self.next_due = Some(at);
        }
        sooner
    }
}

impl Reservation {
    pub(crate) const fn places(&self) -> usize {
        self.places
    }

    pub(crate) const fn lane(&self) -> LaneId {
        self.lane
    }

    /// Fills the places with claimed entries and returns the way into their stream.
    ///
    /// # Errors
    /// The entries, if the stream broke meanwhile: they are the caller's to hand back, and stay unsettled.
    pub(crate) fn fill(
        mut self,
        entries: Vec<(String, Unanswered)>,
    ) -> Result<mpsc::Sender<Batch>, Vec<Unanswered>> {
        let window = Arc::clone(&self.window);
        let mut state = window.lock();
        let places = std::mem::take(&mut self.places);
        let outbound = state.lane(self.lane).and_then(|lane| {
            lane.taken = lane.taken.saturating_sub(places);
            let open = lane.open.as_ref().filter(|open| open.generation == self.generation)?;
            Some(open.outbound.clone())
        });
        let Some(outbound) = outbound else {
            state.unsettled += entries.len();
            window.changed(&state);
            return Err(entries.into_iter().map(|(_, unanswered)| unanswered).collect());
        };
        let mut sooner = false;
        for (ticket_id, unanswered) in entries {
            sooner |= state.note_due(unanswered.renew_at.min(unanswered.overdue_at));
            if let Some(lane) = state.lane(unanswered.lane) {
                lane.taken += 1;
            }
            if let Some(replaced) = state.table.insert(ticket_id, unanswered) {
                state.free_place(replaced.lane);
            }
        }
        window.changed(&state);
        if sooner {
            window.due_sooner.notify_one();
        }
        Ok(outbound)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.places == 0 {
            return;
        }
        let mut state = self.window.lock();
        if let Some(lane) = state.lane(self.lane) {
            lane.taken = lane.taken.saturating_sub(self.places);
        }
        self.window.changed(&state);
    }
}
