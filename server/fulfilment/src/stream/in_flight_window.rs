//! The window: the bounded number of places that claimed entries take from their claim until they are settled.
//!
//! A claim first reserves places on a stream that is up, so nothing is ever claimed that cannot be sent at once. A
//! place is unanswered until the order system answers, then unsettled until the store has recorded the outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inrush_core::store::LeaseToken;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    concurrency::{ConcurrencyLimit, Sent, Verdict},
    statistics::Statistics,
    stream::in_flight_table::{Due, DueLease, Table, Unanswered},
    stream::order_lane::{Batch, Credit, Lane, LaneId, OpenLane},
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
    statistics: Statistics,
    freed: Notify,
    emptied: Notify,
    due_sooner: Notify,
}

#[derive(Debug)]
struct State {
    limit: ConcurrencyLimit,
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
            state: Mutex::new(State { limit, lanes, table: Table::default(), unsettled: 0, next_due: None }),
            statistics,
            freed: Notify::new(),
            emptied: Notify::new(),
            due_sooner: Notify::new(),
        })
    }

    /// How many places each of `contenders` sales may reserve now.
    pub(crate) fn share(&self, contenders: usize) -> Share {
        let state = self.lock();
        let free = state.free();
        let share = (free / contenders.max(1)).max(1);
        match free {
            0 => Share::Nothing,
            few if few < state.capacity() / WORTH_CLAIMING => Share::Few(share),
            _ => Share::Enough(share),
        }
    }

    /// Reserves up to `most` places on the stream with the fewest unanswered entries that has room; none when there is no
    /// free place. One reservation takes no more than a stream's part of the free places, so that streams share the work.
    pub(crate) fn reserve(self: &Arc<Self>, most: usize) -> Option<Reservation> {
        let mut state = self.lock();
        let free = state.free();
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
        state.unsettle(&taken_out, Verdict::Again);
        self.changed(&state);
        taken_out
    }

    /// Takes the entries out that were answered, in that order; none for a ticket nobody waits for.
    pub(crate) fn answer<'a>(
        &self,
        answers: impl Iterator<Item = (&'a str, Verdict)>,
    ) -> Vec<Option<Unanswered>> {
        let mut state = self.lock();
        let answered = answers
            .map(|(ticket_id, verdict)| {
                let answered = state.table.remove(ticket_id);
                state.unsettle(&answered, verdict);
                answered
            })
            .collect();
        self.changed(&state);
        answered
    }

    /// Takes those of the entries out that are still unanswered: they could not be sent. They stay unsettled.
    pub(crate) fn withdraw(&self, unsent: impl Iterator<Item = (String, LeaseToken)>) -> Vec<Unanswered> {
        let mut state = self.lock();
        let withdrawn: Vec<Unanswered> =
            unsent.filter_map(|(ticket_id, leased)| state.table.remove_leased(ticket_id, leased)).collect();
        state.unsettle(&withdrawn, Verdict::Again);
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
        state.unsettle(&due.overdue, Verdict::Again);
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
    pub(crate) fn longest_queue(&self) -> usize {
        self.lock().limit.ceiling()
    }

    fn changed(&self, state: &State) {
        self.statistics.set_in_flight(state.table.len() + state.unsettled);
        self.statistics.set_unanswered(state.table.len());
        self.statistics.set_concurrency(state.limit.current());
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

    fn capacity(&self) -> usize {
        let places = self.lanes.iter().map(Lane::places).fold(0, usize::saturating_add);
        places.min(self.limit.current())
    }

    fn free(&self) -> usize {
        let taken = self.taken();
        let on_lanes = self.lanes.iter().map(Lane::free).fold(0, usize::saturating_add);
        on_lanes
            .min(self.limit.current().saturating_sub(taken))
            .min(self.limit.with_unsettled().saturating_sub(taken + self.unsettled))
    }

    fn free_place(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane(lane) {
            lane.taken = lane.taken.saturating_sub(1);
        }
    }

    /// Entries that were taken out of the table, which is what the limit learns from.
    fn unsettle<'a>(&mut self, taken_out: impl IntoIterator<Item = &'a Unanswered>, verdict: Verdict) {
        let now = Instant::now();
        for unanswered in taken_out {
            self.free_place(unanswered.lane);
            self.unsettled += 1;
            if let Some(sent) = unanswered.sent {
                self.limit.heard(sent, verdict, now);
            }
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
        let sent = Sent { at: Instant::now(), alongside: state.taken() + entries.len() };
        for (ticket_id, mut unanswered) in entries {
            unanswered.sent = Some(sent);
            sooner |= state.note_due(unanswered.renew_at.min(unanswered.overdue_at));
            if let Some(lane) = state.lane(unanswered.lane) {
                lane.taken += 1;
            }
            if let Some(replaced) = state.table.insert(ticket_id, unanswered) {
                state.free_place(replaced.lane);
            }
        }
        state.limit.sent(sent.alongside, sent.at);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LANE: LaneId = LaneId(0);

    /// A window with one stream that is up, and the end of its queue, which keeps it up.
    fn window(ceiling: usize) -> (Arc<Window>, mpsc::Receiver<Batch>) {
        let window = Window::new(ConcurrencyLimit::between(ceiling, ceiling), 1, Statistics::default());
        (Arc::clone(&window), open(&window, Credit::Unlimited))
    }

    fn open(window: &Window, credit: Credit) -> mpsc::Receiver<Batch> {
        let (sender, queue) = mpsc::channel(window.longest_queue());
        window.open(LANE, sender, credit);
        queue
    }

    fn entries(seqs: std::ops::RangeInclusive<u64>, fence: u64, due: Duration) -> Vec<(String, Unanswered)> {
        let lease = Duration::from_secs(30);
        let at = Instant::now() + due;
        seqs.map(|seq| {
            let leased = LeaseToken { seq, fence };
            let sale = "phone".parse().unwrap();
            let entry = Unanswered {
                sale,
                leased,
                attempt: 1,
                lane: LANE,
                sent: None,
                span: None,
                lease,
                renew_at: at,
                overdue_at: at + lease,
            };
            (format!("phone/1/{seq}"), entry)
        })
        .collect()
    }

    fn free(window: &Window) -> usize {
        window.lock().free()
    }

    #[test]
    fn nothing_can_be_reserved_while_no_stream_is_up() {
        let window = Window::new(ConcurrencyLimit::between(8, 8), 2, Statistics::default());
        assert_eq!(window.share(1), Share::Nothing);
        assert!(window.reserve(1).is_none());
    }

    #[test]
    fn places_are_shared_and_a_few_are_told_apart() {
        let (window, _queue) = window(64);
        assert_eq!(window.share(3), Share::Enough(21));
        let most = window.reserve(61).unwrap();
        assert_eq!(window.share(2), Share::Few(1));
        let rest = window.reserve(10).unwrap();
        assert_eq!((rest.places(), window.share(1)), (3, Share::Nothing));
        drop((most, rest));
        assert_eq!(free(&window), 64);
    }

    #[test]
    fn a_place_is_taken_until_its_outcome_is_recorded() {
        let (window, _queue) = window(4);
        window.reserve(3).unwrap().fill(entries(1..=2, 1, Duration::ZERO)).unwrap();
        assert_eq!(
            (free(&window), window.unsettled()),
            (2, 0),
            "the place that was not filled is free again"
        );
        let answered =
            window.answer([("phone/1/2", Verdict::Done), ("phone/1/9", Verdict::Done)].into_iter());
        assert_eq!(answered[0].as_ref().map(|entry| entry.leased.seq), Some(2));
        assert!(answered[1].is_none());
        assert_eq!((free(&window), window.unsettled()), (3, 1));
        window.settled(1);
        assert_eq!((free(&window), window.unsettled()), (3, 0));
    }

    #[test]
    fn unsettled_outcomes_hold_claims_back_once_they_are_a_full_load() {
        let (window, _queue) = window(2);
        for seq in [1, 3, 5] {
            let Some(places) = window.reserve(2) else { break };
            places.fill(entries(seq..=seq + 1, 1, Duration::ZERO)).unwrap();
            let ids = [format!("phone/1/{seq}"), format!("phone/1/{}", seq + 1)];
            window.answer(ids.iter().map(|id| (id.as_str(), Verdict::Done)));
        }
        assert_eq!((window.unsettled(), window.share(1)), (4, Share::Nothing));
        window.settled(1);
        assert_eq!(free(&window), 1);
    }

    #[test]
    fn a_reservation_on_a_broken_stream_gets_its_entries_back_even_if_there_is_a_new_one() {
        let (window, _queue) = window(4);
        let places = window.reserve(2).unwrap();
        assert!(window.close(LANE).is_empty());
        let _queue = open(&window, Credit::Unlimited);
        let unsent = places.fill(entries(1..=2, 1, Duration::ZERO)).unwrap_err();
        assert_eq!((unsent.len(), window.unsettled()), (2, 2));
        window.settled(2);
        assert_eq!(free(&window), 4);
    }

    #[test]
    fn closing_a_stream_takes_its_entries_out_once() {
        let (window, _queue) = window(4);
        window.reserve(4).unwrap().fill(entries(1..=4, 1, Duration::ZERO)).unwrap();
        assert_eq!(window.close(LANE).len(), 4);
        assert!(window.close(LANE).is_empty());
        assert_eq!(window.unsettled(), 4);
        assert_eq!(
            window.withdraw([("phone/1/1".to_owned(), LeaseToken { seq: 1, fence: 1 })].into_iter()).len(),
            0
        );
    }

    #[test]
    fn credit_bounds_what_may_be_unanswered_from_the_moment_it_is_given() {
        let (window, _queue) = window(100);
        window.reserve(10).unwrap().fill(entries(1..=10, 1, Duration::ZERO)).unwrap();
        window.grant(LANE, 4);
        assert_eq!(free(&window), 0);
        window.grant(LANE, 0);
        assert_eq!(free(&window), 0);
        window.grant(LANE, 12);
        assert_eq!(free(&window), 2);
    }

    #[test]
    fn leases_come_due_and_stay_due_until_they_are_extended() {
        let (window, _queue) = window(10);
        window.reserve(2).unwrap().fill(entries(1..=2, 1, Duration::from_secs(15))).unwrap();
        let now = Instant::now();
        let due = window.take_due(now);
        assert!(due.leases.is_empty() && due.overdue.is_empty());
        let at = due.next.unwrap();
        let leases = window.take_due(at).leases;
        assert_eq!(leases.len(), 2);
        let again_at = window.take_due(at).next.unwrap();
        assert_eq!(window.take_due(again_at).leases.len(), 2, "nobody said that they were extended");
        window.extended(leases.into_iter().map(|lease| (lease, at + Duration::from_secs(25))));
        assert!(window.take_due(again_at).leases.is_empty());
        let end = window.take_due(at + Duration::from_secs(30));
        assert_eq!((end.overdue.len(), end.next, window.unsettled()), (2, None, 2));
    }

    #[test]
    fn only_the_claim_that_lost_its_lease_is_forgotten() {
        let (window, _queue) = window(10);
        window.reserve(1).unwrap().fill(entries(1..=1, 1, Duration::ZERO)).unwrap();
        let lost = window.take_due(Instant::now()).leases;
        // Meanwhile the ticket was taken back and claimed again.
        window.reserve(1).unwrap().fill(entries(1..=1, 2, Duration::ZERO)).unwrap();
        assert_eq!(free(&window), 9, "the ticket has one place");
        assert_eq!(window.lost(lost.into_iter()), 0);
        let lost = window.take_due(Instant::now()).leases;
        assert_eq!(window.lost(lost.into_iter()), 1);
        assert_eq!(free(&window), 10);
    }
}
