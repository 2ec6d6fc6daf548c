//! What the scheduler has to do next: a plain data structure, without tasks and without a clock of its own.
//!
//! Only active sales are in it, those with something waiting or in flight. Whose turn it is to claim is decided by
//! start-time fair queueing: each sale has a virtual time, the number of entries it was given; the sale with the
//! least goes first; a sale that comes (or comes back) starts at the present virtual time, so that nobody saves up turns. Two
//! sales that always have something waiting therefore get the same number of entries, however much either has.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use inrush_core::{SaleId, store::Backlog};
use tokio::time::Instant;

/// The shortest pause before the same question is asked again, where the store says that it is worth asking but the
/// last time brought nothing.
const MIN_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// A sale's turn: its virtual time first, then the order in which sales came.
type TurnKey = (u64, u64, SaleId);

#[derive(Debug)]
pub(crate) struct SaleQueue {
    recover_interval: Duration,
    sales: HashMap<SaleId, ActiveSale>,
    turns: BTreeSet<TurnKey>,
    probes: VecDeque<SaleId>,
    timers: BTreeSet<(Instant, SaleId)>,
    /// The virtual time of the sale that claimed last.
    virtual_time: u64,
    arrivals: u64,
    claims_in_flight: usize,
}

/// What is known of an active sale.
#[derive(Debug, Default)]
struct ActiveSale {
    virtual_time: u64,
    /// When it may claim next, as far as time alone decides.
    claim_at: Option<Instant>,
    /// When it has to be looked at.
    probe_at: Option<Instant>,
    call: Call,
    /// While its call is in flight: something came up that the reply may not know of, to be claimed from then.
    wakeup: Option<Instant>,
    /// Its place in `turns`, its entry in `probes`, its entry in `timers`.
    turn: Option<(u64, u64)>,
    probe_queued: bool,
    timer: Option<Instant>,
    /// Calls that failed in a row.
    failures: u32,
}

/// The store call in flight for a sale. There is at most one, so that replies come in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Call {
    #[default]
    None,
    Claim,
    Probe,
}

impl SaleQueue {
    pub(crate) fn new(recover_interval: Duration) -> Self {
        Self {
            recover_interval,
            sales: HashMap::new(),
            turns: BTreeSet::new(),
            probes: VecDeque::new(),
            timers: BTreeSet::new(),
            virtual_time: 0,
            arrivals: 0,
            claims_in_flight: 0,
        }
    }

    /// A sale has something to claim from `at` on: it was announced, or a settled outcome made it so.
    pub(crate) fn wake(&mut self, sale: &SaleId, at: Instant, now: Instant) {
        let recover_at = now + self.recover_interval;
        let active = self.sales.entry(sale.clone()).or_insert_with(|| ActiveSale {
            // Nothing is known of its leases yet.
            probe_at: Some(recover_at),
            ..ActiveSale::default()
        });
        match active.call {
            Call::None => {
                active.claim_at = min_opt(active.claim_at, Some(at));
                self.reschedule(sale, now);
            }
            Call::Claim | Call::Probe => active.wakeup = min_opt(active.wakeup, Some(at)),
        }
    }

    /// The sweep names a sale. One that has a time or a turn of its own needs no look.
    pub(crate) fn probe_if_idle(&mut self, sale: &SaleId, now: Instant) {
        let active = self.sales.entry(sale.clone()).or_default();
        let waits_for_an_event = active.call == Call::None
            && active.turn.is_none()
            && active.timer.is_none()
            && !active.probe_queued;
        if waits_for_an_event {
            active.probe_at = Some(now);
            self.reschedule(sale, now);
        }
    }

    /// Whether some sale waits for its turn.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Sales waiting for a look.
    pub(crate) fn queued_probes(&self) -> usize {
        self.probes.len()
    }

    /// Claims whose reply has not come.
    pub(crate) const fn claims_in_flight(&self) -> usize {
        self.claims_in_flight
    }

    /// Sales that compete for free places.
    pub(crate) fn contenders(&self) -> usize {
        self.turns.len() + self.claims_in_flight
    }

    /// When time brings something next.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Gives turns and looks to the sales whose time has come.
    pub(crate) fn fire_timers(&mut self, now: Instant) {
        while let Some((at, sale)) = self.timers.pop_first() {
            if at > now {
                self.timers.insert((at, sale));
                return;
            }
            if let Some(active) = self.sales.get_mut(&sale) {
                active.timer = None;
            }
            self.reschedule(&sale, now);
        }
    }

    /// The sale whose turn it is. Its claim is now in flight.
    pub(crate) fn start_claim(&mut self) -> Option<SaleId> {
        let (virtual_time, _, sale) = self.turns.pop_first()?;
        self.virtual_time = virtual_time;
        self.claims_in_flight += 1;
        self.start(&sale, Call::Claim);
        Some(sale)
    }

    /// The next sale to look at. Its look is now in flight.
    pub(crate) fn start_probe(&mut self) -> Option<SaleId> {
        while let Some(sale) = self.probes.pop_front() {
            let Some(active) = self.sales.get_mut(&sale) else { continue };
            active.probe_queued = false;
            // While a claim is in flight the look stays due, and is planned again with its reply.
            if active.call == Call::None {
                active.probe_at = None;
                self.start(&sale, Call::Probe);
                return Some(sale);
            }
        }
        None
    }

    /// A claim brought this many entries.
    pub(crate) fn claimed(&mut self, sale: &SaleId, entries: usize, backlog: &Backlog, now: Instant) {
        let due_probe = self.sales.get_mut(sale).and_then(|active| {
            active.virtual_time = active.virtual_time.saturating_add(entries as u64);
            active.probe_at
        });
        self.on_reply(sale, backlog, due_probe, entries > 0, now);
    }

    /// A look found this.
    pub(crate) fn probed(&mut self, sale: &SaleId, backlog: &Backlog, now: Instant) {
        self.on_reply(sale, backlog, None, true, now);
    }

    /// A call failed and is worth repeating after a pause, which may depend on the number of failures in a row.
    pub(crate) fn failed(&mut self, sale: &SaleId, pause: impl FnOnce(u32) -> Duration, now: Instant) {
        let Some(active) = self.sales.get_mut(sale) else { return };
        let call = std::mem::take(&mut active.call);
        active.failures = active.failures.saturating_add(1);
        let retry_at = now + pause(active.failures);
        let wakeup = active.wakeup.take();
        match call {
            Call::Claim => {
                self.claims_in_flight -= 1;
                active.claim_at = Some(retry_at);
            }
            Call::Probe | Call::None => {
                active.claim_at = min_opt(active.claim_at, wakeup).map(|at| at.max(retry_at));
                active.probe_at = Some(retry_at);
            }
        }
        self.reschedule(sale, now);
    }

    /// The sale is gone.
    pub(crate) fn remove(&mut self, sale: &SaleId) {
        let Some(active) = self.sales.remove(sale) else { return };
        if active.call == Call::Claim {
            self.claims_in_flight -= 1;
        }
        if let Some((virtual_time, arrival)) = active.turn {
            self.turns.remove(&(virtual_time, arrival, sale.clone()));
        }
        if let Some(at) = active.timer {
            self.timers.remove(&(at, sale.clone()));
        }
    }

    /// Takes a sale out of the waiting lists: a call answers all of its questions.
    fn start(&mut self, sale: &SaleId, call: Call) {
        let Some(active) = self.sales.get_mut(sale) else { return };
        active.call = call;
        active.claim_at = None;
        if let Some((virtual_time, arrival)) = active.turn.take() {
            self.turns.remove(&(virtual_time, arrival, sale.clone()));
        }
        if let Some(at) = active.timer.take() {
            self.timers.remove(&(at, sale.clone()));
        }
    }

    fn on_reply(
        &mut self,
        sale: &SaleId,
        backlog: &Backlog,
        due_probe: Option<Instant>,
        progressed: bool,
        now: Instant,
    ) {
        let Some(active) = self.sales.get_mut(sale) else { return };
        if std::mem::take(&mut active.call) == Call::Claim {
            self.claims_in_flight -= 1;
        }
        active.failures = 0;
        let wakeup = active.wakeup.take();
        if backlog.waiting == 0 && backlog.in_flight == 0 && wakeup.is_none() {
            return self.remove(sale);
        }
        let pause = if progressed { Duration::ZERO } else { MIN_RETRY_INTERVAL };
        active.claim_at = min_opt(backlog.next_claim_in.map(|wait| now + wait.max(pause)), wakeup);
        active.probe_at =
            min_opt(next_probe(backlog, self.recover_interval).map(|wait| now + wait), due_probe);
        self.reschedule(sale, now);
    }

    /// Puts a sale without a call into the lists where it belongs now.
    fn reschedule(&mut self, sale: &SaleId, now: Instant) {
        let Some(active) = self.sales.get_mut(sale) else { return };
        if active.call != Call::None {
            return;
        }
        if active.probe_at.is_some_and(|at| at <= now) && !active.probe_queued {
            active.probe_queued = true;
            self.probes.push_back(sale.clone());
        }
        if active.claim_at.is_some_and(|at| at <= now) && active.turn.is_none() {
            self.arrivals += 1;
            active.virtual_time = active.virtual_time.max(self.virtual_time);
            active.turn = Some((active.virtual_time, self.arrivals));
            self.turns.insert((active.virtual_time, self.arrivals, sale.clone()));
        }
        let claim_timer = active.claim_at.filter(|_| active.turn.is_none());
        let probe_timer = active.probe_at.filter(|_| !active.probe_queued);
        let timer = min_opt(claim_timer, probe_timer);
        if timer != active.timer {
            if let Some(at) = std::mem::replace(&mut active.timer, timer) {
                self.timers.remove(&(at, sale.clone()));
            }
            if let Some(at) = timer {
                self.timers.insert((at, sale.clone()));
            }
        }
    }
}

/// How long a sale can go without a look. While something is in flight its next lease may end; while something can be
/// claimed another replica may claim it and die. A sale that can do neither waits for an event, or for the sweep.
fn next_probe(backlog: &Backlog, recover_interval: Duration) -> Option<Duration> {
    if backlog.in_flight > 0 {
        let expiry = backlog.next_expiry_in.unwrap_or(recover_interval);
        Some(expiry.clamp(MIN_RETRY_INTERVAL, recover_interval))
    } else {
        backlog.next_claim_in.map(|_| recover_interval)
    }
}

fn min_opt(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    fn sale(name: &str) -> SaleId {
        name.parse().unwrap()
    }

    fn busy(waiting: u64) -> Backlog {
        Backlog {
            waiting,
            in_flight: 1,
            dead: 0,
            next_claim_in: Some(Duration::ZERO),
            next_expiry_in: Some(INTERVAL * 10),
        }
    }

    fn queue(names: &[&str]) -> (SaleQueue, Instant) {
        let now = Instant::now();
        let mut queue = SaleQueue::new(INTERVAL);
        for name in names {
            queue.wake(&sale(name), now, now);
        }
        (queue, now)
    }

    /// Lets sales claim one after the other; `brings` says how much each claim brings. Returns the totals.
    fn take_turns(
        queue: &mut SaleQueue,
        turns: usize,
        now: Instant,
        brings: impl Fn(&SaleId) -> usize,
    ) -> HashMap<SaleId, usize> {
        let mut totals = HashMap::new();
        for _ in 0..turns {
            let sale = queue.start_claim().unwrap();
            let entries = brings(&sale);
            *totals.entry(sale.clone()).or_default() += entries;
            queue.claimed(&sale, entries, &busy(1_000), now);
        }
        totals
    }

    #[test]
    fn sales_get_the_same_number_of_entries_whatever_one_claim_brings() {
        let (mut queue, now) = queue(&["small", "large"]);
        let totals = take_turns(&mut queue, 1_000, now, |id| if id == &sale("large") { 100 } else { 3 });
        let (small, large) = (totals[&sale("small")], totals[&sale("large")]);
        assert!(small.abs_diff(large) <= 100, "small {small}, large {large}");
    }

    #[test]
    fn a_newcomer_neither_overtakes_for_long_nor_waits_for_the_past() {
        let (mut queue, now) = queue(&["old"]);
        take_turns(&mut queue, 100, now, |_| 10);
        queue.wake(&sale("new"), now, now);
        let totals = take_turns(&mut queue, 20, now, |_| 10);
        assert_eq!((totals[&sale("old")], totals[&sale("new")]), (100, 100));
    }

    #[test]
    fn a_sale_with_nothing_left_is_forgotten_unless_something_came_up_meanwhile() {
        let (mut queue, now) = queue(&["a"]);
        let id = queue.start_claim().unwrap();
        queue.wake(&id, now, now);
        queue.claimed(&id, 0, &Backlog::default(), now);
        assert_eq!(queue.start_claim(), Some(id.clone()), "wakeup during a claim lead to another");
        queue.claimed(&id, 0, &Backlog::default(), now);
        assert_eq!((queue.contenders(), queue.sales.len(), queue.next_timer()), (0, 0, None));
    }

    #[test]
    fn a_claim_waits_for_the_time_the_store_gave() {
        let (mut queue, now) = queue(&["paced"]);
        let id = queue.start_claim().unwrap();
        let wait = Duration::from_millis(300);
        queue.claimed(&id, 1, &Backlog { next_claim_in: Some(wait), ..busy(9) }, now);
        assert!(!queue.has_turns());
        assert_eq!(queue.next_timer(), Some(now + wait));
        queue.fire_timers(now + wait);
        assert_eq!(queue.start_claim(), Some(id));
    }

    #[test]
    fn what_the_store_calls_ready_but_brings_nothing_is_not_asked_for_at_once() {
        let (mut queue, now) = queue(&["a"]);
        let id = queue.start_claim().unwrap();
        queue.claimed(&id, 0, &busy(1), now);
        assert!(!queue.has_turns());
        assert_eq!(queue.next_timer(), Some(now + MIN_RETRY_INTERVAL));
    }

    #[test]
    fn leases_are_looked_at_when_the_first_ends_and_at_every_interval() {
        let (mut queue, now) = queue(&["a"]);
        let id = queue.start_claim().unwrap();
        let in_flight = |expiry| Backlog { in_flight: 1, next_expiry_in: Some(expiry), ..Backlog::default() };
        queue.claimed(&id, 1, &in_flight(INTERVAL / 2), now);
        let later = now + INTERVAL / 2;
        assert_eq!(queue.next_timer(), Some(later));
        queue.fire_timers(later);
        assert_eq!(queue.start_probe(), Some(id.clone()));
        queue.probed(&id, &in_flight(INTERVAL * 7), later);
        assert_eq!(queue.next_timer(), Some(later + INTERVAL));
    }

    #[test]
    fn a_look_that_comes_due_during_claims_is_made_all_the_same() {
        let (mut queue, now) = queue(&["a"]);
        let id = queue.start_claim().unwrap();
        queue.claimed(&id, 1, &Backlog { next_expiry_in: Some(Duration::ZERO), ..busy(100) }, now);
        let mut later = now;
        for _ in 0..5 {
            later += MIN_RETRY_INTERVAL;
            assert_eq!(queue.start_claim(), Some(id.clone()));
            queue.fire_timers(later);
            queue.claimed(&id, 1, &Backlog { next_expiry_in: Some(Duration::ZERO), ..busy(100) }, later);
        }
        assert_eq!(queue.start_probe(), Some(id));
    }

    #[test]
    fn the_sweep_looks_only_at_sales_that_have_no_time_of_their_own() {
        let (mut queue, now) = queue(&["blocked", "ready"]);
        let blocked = queue.start_claim().unwrap();
        let held_up = Backlog { waiting: 5, ..Backlog::default() };
        queue.claimed(&blocked, 0, &held_up, now);
        let now = now + INTERVAL;
        queue.fire_timers(now);
        while let Some(known) = queue.start_probe() {
            let backlog = if known == blocked { held_up } else { busy(5) };
            queue.probed(&known, &backlog, now);
        }
        assert_eq!(queue.next_timer(), Some(now + INTERVAL), "only the ready one has a time of its own");
        for name in ["blocked", "ready", "unknown"] {
            queue.probe_if_idle(&sale(name), now);
        }
        assert_eq!(queue.queued_probes(), 2);
        assert_eq!(queue.start_probe(), Some(sale("blocked")));
        assert_eq!(queue.start_probe(), Some(sale("unknown")));
        queue.probed(&sale("unknown"), &Backlog::default(), now);
        assert!(!queue.sales.contains_key(&sale("unknown")), "an idle sale leaves nothing behind");
    }

    #[test]
    fn a_failed_call_is_repeated_after_its_pause() {
        let (mut queue, now) = queue(&["a"]);
        for failures in 1..4_u64 {
            let id = queue.start_claim().unwrap();
            let at = now + Duration::from_millis(failures);
            queue.failed(&id, |count| Duration::from_millis(u64::from(count)), now);
            assert_eq!(queue.next_timer(), Some(at));
            assert_eq!(queue.claims_in_flight(), 0);
            queue.fire_timers(at);
        }
    }

    #[test]
    fn forgetting_a_sale_leaves_nothing_of_it() {
        let (mut queue, now) = queue(&["a", "b", "c"]);
        queue.start_claim().unwrap();
        queue.wake(&sale("d"), now + INTERVAL, now);
        for name in ["a", "b", "c", "d"] {
            queue.remove(&sale(name));
        }
        assert_eq!((queue.contenders(), queue.sales.len(), queue.next_timer()), (0, 0, None));
        assert_eq!((queue.start_claim(), queue.start_probe()), (None, None));
    }
}
