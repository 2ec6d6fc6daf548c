//! The limit before order systems that are simulated, in virtual time: where it goes, and how much of what each of them
//! can do is got out of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use super::{ConcurrencyLimit, Sent, Verdict, search::START};

const FLOOR: usize = 16;
const CEILING: usize = 16_384;

/// From an answer to the arrival of the next claim.
const TURNAROUND: Duration = Duration::from_micros(300);

/// Most entries in one claim.
const CLAIM: usize = 256;

/// Entries that an order system works on together, and for how many seconds.
struct Work {
    entries: Vec<Sent>,
    verdict: Verdict,
    takes: f64,
}

trait OrderSystem {
    /// An entry has come in. Returns the work that begins with it, if any.
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Work>;

    /// Work has ended. Returns what begins in its place, if anything.
    fn end(&mut self, work: &Work, random: &mut StdRng) -> Option<Work>;
}

/// Works on so many entries at once; others wait their turn.
#[derive(Default)]
struct Servers {
    at_once: usize,
    service: f64,
    /// Service times spread as much as their mean is long; otherwise by a twentieth.
    spread: bool,
    /// With twice as many entries as it can work on each takes so many doublings longer.
    degrades: f64,
    busy: usize,
    waiting: VecDeque<Sent>,
}

impl Servers {
    fn work(&self, entry: Sent, random: &mut StdRng) -> Work {
        let uniform: f64 = random.random_range(0.0..1.0);
        let spread = if self.spread { -(1.0 - uniform).ln() } else { 0.95 + 0.1 * uniform };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let load = (self.busy + self.waiting.len()) as f64 / self.at_once as f64;
        let takes = self.service * spread * load.max(1.0).powf(self.degrades);
        Work { entries: vec![entry], verdict: Verdict::Done, takes }
    }
}

impl OrderSystem for Servers {
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Work> {
        if self.busy == self.at_once {
            self.waiting.push_back(entry);
            return None;
        }
        self.busy += 1;
        Some(self.work(entry, random))
    }

    fn end(&mut self, _: &Work, random: &mut StdRng) -> Option<Work> {
        let Some(next) = self.waiting.pop_front() else {
            self.busy -= 1;
            return None;
        };
        Some(self.work(next, random))
    }
}

/// Writes what waits in one transaction after the other, which costs something by itself and something for each entry.
#[derive(Default)]
struct Batches {
    most: usize,
    each: f64,
    fixed: f64,
    busy: bool,
    waiting: VecDeque<Sent>,
}

impl Batches {
    fn next(&mut self) -> Option<Work> {
        let entries: Vec<Sent> = self.waiting.drain(..self.most.min(self.waiting.len())).collect();
        self.busy = !entries.is_empty();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let takes = self.fixed + self.each * entries.len() as f64;
        self.busy.then_some(Work { entries, verdict: Verdict::Done, takes })
    }
}

impl OrderSystem for Batches {
    fn arrive(&mut self, entry: Sent, _: &mut StdRng) -> Option<Work> {
        self.waiting.push_back(entry);
        if self.busy { None } else { self.next() }
    }

    fn end(&mut self, _: &Work, _: &mut StdRng) -> Option<Work> {
        self.next()
    }
}

/// Works on so many entries at once and asks for any more again, at once. Of those it works on it asks for some again.
#[derive(Default)]
struct Refuses {
    at_once: usize,
    service: f64,
    fails: f64,
    busy: usize,
}

const REFUSAL: f64 = 0.001;

impl OrderSystem for Refuses {
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Work> {
        let entries = vec![entry];
        if self.busy == self.at_once {
            return Some(Work { entries, verdict: Verdict::Again, takes: REFUSAL });
        }
        self.busy += 1;
        let verdict = if random.random_bool(self.fails) { Verdict::Again } else { Verdict::Done };
        Some(Work { entries, verdict, takes: self.service })
    }

    fn end(&mut self, work: &Work, _: &mut StdRng) -> Option<Work> {
        if work.takes > REFUSAL {
            self.busy -= 1;
        }
        None
    }
}

enum Event {
    Claim,
    End(Work),
}

/// A worker whose line never ends, before an order system.
struct Sale<O> {
    orders: O,
    limit: ConcurrencyLimit,
    unanswered: usize,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    claims: bool,
    random: StdRng,
    done: u64,
    again: u64,
}

impl<O: OrderSystem> Sale<O> {
    fn new(orders: O) -> Self {
        let mut sale = Self {
            orders,
            limit: ConcurrencyLimit::between(FLOOR, CEILING),
            unanswered: 0,
            now: Instant::now(),
            events: BTreeMap::new(),
            planned: 0,
            claims: true,
            random: StdRng::seed_from_u64(1),
            done: 0,
            again: 0,
        };
        sale.plan(Duration::ZERO, Event::Claim);
        sale
    }

    /// Entries dealt with per second over this time.
    fn rate(&mut self, seconds: f64) -> f64 {
        let (until, before) = (self.now + Duration::from_secs_f64(seconds), self.done);
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > until {
                self.now = until;
                let late = at.saturating_duration_since(until);
                self.plan(late, event);
                break;
            }
            self.now = at;
            match event {
                Event::Claim => self.claim(),
                Event::End(work) => self.end(&work),
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let done = (self.done - before) as f64;
        done / seconds
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.planned += 1;
        self.events.insert((self.now + after, self.planned), event);
    }

    fn start(&mut self, work: Option<Work>) {
        if let Some(work) = work {
            self.plan(Duration::from_secs_f64(work.takes), Event::End(work));
        }
    }

    fn claim(&mut self) {
        self.claims = false;
        let entries = self.limit.current().saturating_sub(self.unanswered).min(CLAIM);
        self.unanswered += entries;
        let sent = Sent { at: self.now, alongside: self.unanswered };
        for _ in 0..entries {
            let work = self.orders.arrive(sent, &mut self.random);
            self.start(work);
        }
        self.limit.sent(self.unanswered, self.now);
        self.claim_again();
    }

    fn end(&mut self, work: &Work) {
        let next = self.orders.end(work, &mut self.random);
        self.start(next);
        for sent in &work.entries {
            self.unanswered -= 1;
            self.limit.heard(*sent, work.verdict, self.now);
            match work.verdict {
                Verdict::Done => self.done += 1,
                Verdict::Again => self.again += 1,
            }
        }
        self.claim_again();
    }

    fn claim_again(&mut self) {
        if !self.claims && self.unanswered < self.limit.current() {
            self.claims = true;
            self.plan(TURNAROUND, Event::Claim);
        }
    }
}

/// Checks that the sale, once it has found its limit, gets this share of a capacity, with a limit between the two.
#[track_caller]
fn check<O: OrderSystem>(
    sale: &mut Sale<O>,
    share: f64,
    capacity: f64,
    limit: std::ops::RangeInclusive<usize>,
) {
    let rate = sale.rate(20.0);
    assert!(rate >= share * capacity, "{rate} of {capacity} with a limit of {}", sale.limit.current());
    assert!(limit.contains(&sale.limit.current()), "{}", sale.limit.current());
}

#[test]
fn an_order_system_is_kept_busy_at_any_latency() {
    for (at_once, service) in [(1_000, 0.1), (100, 0.01), (10, 0.001)] {
        let mut sale = Sale::new(Servers { at_once, service, ..Servers::default() });
        sale.rate(2.0);
        check(&mut sale, 0.97, 10_000.0, at_once..=at_once * 2);
    }
    let mut slow = Sale::new(Servers { at_once: 10_000, service: 1.0, ..Servers::default() });
    slow.rate(15.0);
    check(&mut slow, 0.95, 10_000.0, 10_000..=CEILING);
}

#[test]
fn one_that_answers_sooner_than_the_next_claim_comes_is_given_large_claims() {
    let mut sale = Sale::new(Servers { at_once: CEILING, service: 0.000_02, ..Servers::default() });
    sale.rate(1.5);
    let of_largest_claims = 256.0 / (0.000_3 + 0.000_02);
    let rate = sale.rate(0.5);
    assert!(rate > 0.8 * of_largest_claims, "{rate} with a limit of {}", sale.limit.current());
}

#[test]
fn chance_in_the_latency_does_not_lead_away_from_the_knee() {
    let mut sale = Sale::new(Servers { at_once: 100, service: 0.02, spread: true, ..Servers::default() });
    sale.rate(2.0);
    for _ in 0..5 {
        check(&mut sale, 0.95, 5_000.0, 60..=250);
    }
}

#[test]
fn one_that_degrades_when_it_is_flooded_is_kept_at_its_knee() {
    let mut sale =
        Sale::new(Servers { at_once: 50, service: 0.02, spread: true, degrades: 1.3, ..Servers::default() });
    sale.rate(20.0);
    for _ in 0..3 {
        check(&mut sale, 0.9, 2_500.0, 35..=70);
    }
}

#[test]
fn the_limit_follows_a_knee_that_moves() {
    let mut sale = Sale::new(Servers { at_once: 100, service: 0.02, ..Servers::default() });
    sale.rate(5.0);
    sale.orders.at_once = 800;
    sale.rate(20.0);
    check(&mut sale, 0.95, 40_000.0, 750..=1_600);
    sale.orders.service = 0.2;
    check(&mut sale, 0.95, 4_000.0, 750..=1_600);
}

#[test]
fn batches_are_let_grow() {
    let mut sale = Sale::new(Batches { most: 1_024, fixed: 0.005, each: 0.000_1, ..Batches::default() });
    sale.rate(2.0);
    let of_full_batches = 1_024.0 / (0.005 + 0.102_4);
    check(&mut sale, 0.8, of_full_batches, 200..=2_048);
}

#[test]
fn one_that_refuses_what_it_cannot_do_is_asked_for_little_more() {
    let mut sale = Sale::new(Refuses { at_once: 100, service: 0.02, ..Refuses::default() });
    sale.rate(5.0);
    let again = sale.again;
    check(&mut sale, 0.93, 5_000.0, 80..=120);
    let refused = sale.again - again;
    assert!(refused < 5_000, "{refused} of 100000");
}

#[test]
fn failures_that_have_nothing_to_do_with_the_load_do_not_lower_the_limit() {
    let mut sale = Sale::new(Refuses { at_once: 100, service: 0.02, fails: 0.2, ..Refuses::default() });
    sale.rate(5.0);
    check(&mut sale, 0.93, 4_000.0, 80..=120);
}

#[test]
fn one_that_fails_altogether_gets_the_floor_and_everything_again_when_it_recovers() {
    let mut sale = Sale::new(Refuses { at_once: 100, service: 0.02, ..Refuses::default() });
    sale.rate(5.0);
    sale.orders.fails = 1.0;
    sale.rate(5.0);
    assert_eq!(sale.limit.current(), FLOOR);
    sale.orders.fails = 0.0;
    sale.rate(5.0);
    check(&mut sale, 0.9, 5_000.0, 80..=120);
}

#[test]
fn a_line_that_is_not_full_changes_nothing() {
    let mut limit = ConcurrencyLimit::between(FLOOR, CEILING);
    let mut now = Instant::now();
    for _ in 0..10_000 {
        limit.sent(FLOOR / 2, now);
        let sent = Sent { at: now, alongside: FLOOR / 2 };
        now += Duration::from_millis(1);
        limit.heard(sent, Verdict::Done, now);
        assert_eq!(limit.current(), START);
    }
}

#[test]
fn the_limit_stays_between_its_bounds_and_the_ceiling_has_the_last_word() {
    for (floor, ceiling) in [(1, 1), (1, 3), (7, 7), (40, 10), (1, CEILING)] {
        let mut limit = ConcurrencyLimit::between(floor, ceiling);
        let mut random = StdRng::seed_from_u64(7);
        let mut now = Instant::now();
        for _ in 0..20_000 {
            let current = limit.current();
            assert!((floor.min(ceiling)..=ceiling).contains(&current), "{current}");
            limit.sent(current, now);
            let sent = Sent { at: now, alongside: current };
            now += Duration::from_millis(random.random_range(1..50));
            let verdict = if random.random_bool(0.2) { Verdict::Again } else { Verdict::Done };
            limit.heard(sent, verdict, now);
        }
    }
}
