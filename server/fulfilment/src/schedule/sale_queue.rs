//! The queue of sales from which the scheduler takes its next claim or probe: a plain data structure without
//! tasks and without a clock.
//!
//! It holds active sales only: those with entries waiting or in flight. Start-time fair queueing decides
//! which sale claims next: each sale has a virtual time, the number of entries it was given; the sale with
//! the lowest goes first; a new or returning sale starts at the current virtual time, so that turns cannot be
//! saved up. Two sales that always have entries waiting therefore get the same number of entries, however
//! long either queue is.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use inrush_core::{SaleId, store::Backlog};
use tokio::time::Instant;

/// The shortest interval between two claims of a sale that the store calls claimable although the last claim
/// returned nothing.
const MIN_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The order of turns: virtual time first, then the order of arrival.
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

/// The state of an active sale.
#[derive(Debug, Default)]
struct ActiveSale {
    virtual_time: u64,
    /// The earliest time of the next claim, as far as the pace decides.
    claim_at: Option<Instant>,
    /// The time of the next probe.
    probe_at: Option<Instant>,
    call: Call,
    /// Set while a call is in flight, whose reply may not cover it: the time from which there is something to
    /// claim.
    wakeup: Option<Instant>,
    /// The keys of this sale in `turns`, `probes` and `timers`.
    turn: Option<(u64, u64)>,
    probe_queued: bool,
    timer: Option<Instant>,
    /// Failed calls in a row.
    failures: u32,
}

/// The store call in flight for a sale. At most one, so that replies arrive in order.
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

    /// There is something to claim from `at` on: the sale was announced, or a settled outcome made something
    /// claimable.
    pub(crate) fn wake(&mut self, sale: &SaleId, at: Instant, now: Instant) {
        let recover_at = now + self.recover_interval;
        let active = self.sales.entry(sale.clone()).or_insert_with(|| ActiveSale {
            // Its leases are unknown so far.
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

    /// The sweep has reached a sale. One that has a turn, a timer or a queued probe needs no other.
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

    /// Whether a sale is ready to claim.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// The number of sales that wait for a probe.
    pub(crate) fn queued_probes(&self) -> usize {
        self.probes.len()
    }

    /// The number of claims without a reply.
    pub(crate) const fn claims_in_flight(&self) -> usize {
        self.claims_in_flight
    }

    /// The number of sales that compete for free permits.
    pub(crate) fn contenders(&self) -> usize {
        self.turns.len() + self.claims_in_flight
    }

    /// The time at which the next timer fires.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Queues turns and probes of the sales whose timers are due.
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

    /// Starts the claim of the sale with the lowest virtual time.
    pub(crate) fn start_claim(&mut self) -> Option<SaleId> {
        let (virtual_time, _, sale) = self.turns.pop_first()?;
        self.virtual_time = virtual_time;
        self.claims_in_flight += 1;
        self.start(&sale, Call::Claim);
        Some(sale)
    }

    /// Starts the next probe.
    pub(crate) fn start_probe(&mut self) -> Option<SaleId> {
        while let Some(sale) = self.probes.pop_front() {
            let Some(active) = self.sales.get_mut(&sale) else { continue };
            active.probe_queued = false;
            // While a claim is in flight the probe stays due; the reply schedules it again.
            if active.call == Call::None {
                active.probe_at = None;
                self.start(&sale, Call::Probe);
                return Some(sale);
            }
        }
        None
    }

    /// A claim has returned this many entries.
    pub(crate) fn claimed(&mut self, sale: &SaleId, entries: usize, backlog: &Backlog, now: Instant) {
        let due_probe = self.sales.get_mut(sale).and_then(|active| {
            active.virtual_time = active.virtual_time.saturating_add(entries as u64);
            active.probe_at
        });
        self.on_reply(sale, backlog, due_probe, entries > 0, now);
    }

    /// A probe has returned this backlog.
    pub(crate) fn probed(&mut self, sale: &SaleId, backlog: &Backlog, now: Instant) {
        self.on_reply(sale, backlog, None, true, now);
    }

    /// A call has failed and is retried after a delay, computed from the number of failures in a row.
    pub(crate) fn failed(&mut self, sale: &SaleId, delay: impl FnOnce(u32) -> Duration, now: Instant) {
        let Some(active) = self.sales.get_mut(sale) else { return };
        let call = std::mem::take(&mut active.call);
        active.failures = active.failures.saturating_add(1);
        let retry_at = now + delay(active.failures);
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

    /// Removes a sale that no longer exists or is no longer active.
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

    /// Takes a sale out of the queues: the call covers whatever was due.
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
        let min_wait = if progressed { Duration::ZERO } else { MIN_RETRY_INTERVAL };
        active.claim_at = min_opt(backlog.next_claim_in.map(|wait| now + wait.max(min_wait)), wakeup);
        active.probe_at =
            min_opt(next_probe(backlog, self.recover_interval).map(|wait| now + wait), due_probe);
        self.reschedule(sale, now);
    }

    /// Puts a sale without a call into the queues that it belongs to now.
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

/// The time until the next probe. While entries are in flight, the next lease may expire; while something is
/// claimable, another replica may claim it and crash. A sale with neither waits for an event or for the
/// sweep.
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
mod tests;
