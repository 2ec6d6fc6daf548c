//! The limit before order systems that are simulated, in virtual time: where it goes, and how much of what each of them
//! can do is got out of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use super::{ConcurrencyLimit, Sent, Verdict, search::INITIAL_LIMIT};

const FLOOR: usize = 16;
const CEILING: usize = 16_384;

/// From an answer to the arrival of the next claim.
const TURNAROUND: Duration = Duration::from_micros(300);

/// Most entries in one claim.
const CLAIM: usize = 256;

/// Entries that an order system works on together, and for how many seconds.
struct Job {
    entries: Vec<Sent>,
    verdict: Verdict,
    service_time: f64,
}

trait OrderSystem {
    /// An entry has come in. Returns the work that begins with it, if any.
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Job>;

    /// Work has ended. Returns what begins in its place, if anything.
    fn end(&mut self, job: &Job, random: &mut StdRng) -> Option<Job>;
}

/// Works on so many entries at once; others wait their turn.
#[derive(Default)]
struct WorkerPool {
    capacity: usize,
    service: f64,
    /// Service times spread as much as their mean is long; otherwise by a twentieth.
    spread: bool,
    /// With twice as many entries as it can work on each takes so many doublings longer.
    degrades: f64,
    busy: usize,
    waiting: VecDeque<Sent>,
}

impl WorkerPool {
    fn job(&self, entry: Sent, random: &mut StdRng) -> Job {
        let uniform: f64 = random.random_range(0.0..1.0);
        let spread = if self.spread { -(1.0 - uniform).ln() } else { 0.95 + 0.1 * uniform };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let load = (self.busy + self.waiting.len()) as f64 / self.capacity as f64;
        let service_time = self.service * spread * load.max(1.0).powf(self.degrades);
        Job { entries: vec![entry], verdict: Verdict::Done, service_time }
    }
}

impl OrderSystem for WorkerPool {
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Job> {
        if self.busy == self.capacity {
            self.waiting.push_back(entry);
            return None;
        }
        self.busy += 1;
        Some(self.job(entry, random))
    }

    fn end(&mut self, _: &Job, random: &mut StdRng) -> Option<Job> {
        let Some(next) = self.waiting.pop_front() else {
            self.busy -= 1;
            return None;
        };
        Some(self.job(next, random))
    }
}

/// Writes what waits in one transaction after the other, which costs something by itself and something for each entry.
#[derive(Default)]
struct BatchWriter {
    max_batch: usize,
    each: f64,
    fixed: f64,
    busy: bool,
    waiting: VecDeque<Sent>,
}

impl BatchWriter {
    fn next(&mut self) -> Option<Job> {
        let entries: Vec<Sent> = self.waiting.drain(..self.max_batch.min(self.waiting.len())).collect();
        self.busy = !entries.is_empty();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let service_time = self.fixed + self.each * entries.len() as f64;
        self.busy.then_some(Job { entries, verdict: Verdict::Done, service_time })
    }
}

impl OrderSystem for BatchWriter {
    fn arrive(&mut self, entry: Sent, _: &mut StdRng) -> Option<Job> {
        self.waiting.push_back(entry);
        if self.busy { None } else { self.next() }
    }

    fn end(&mut self, _: &Job, _: &mut StdRng) -> Option<Job> {
        self.next()
    }
}

/// Works on so many entries at once and asks for any more again, at once. Of those it works on it asks for some again.
#[derive(Default)]
struct LimitedPool {
    capacity: usize,
    service: f64,
    fails: f64,
    busy: usize,
}

const REFUSAL_TIME: f64 = 0.001;

impl OrderSystem for LimitedPool {
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Job> {
        let entries = vec![entry];
        if self.busy == self.capacity {
            return Some(Job { entries, verdict: Verdict::Retry, service_time: REFUSAL_TIME });
        }
        self.busy += 1;
        let verdict = if random.random_bool(self.fails) { Verdict::Retry } else { Verdict::Done };
        Some(Job { entries, verdict, service_time: self.service })
    }

    fn end(&mut self, job: &Job, _: &mut StdRng) -> Option<Job> {
        if job.service_time > REFUSAL_TIME {
            self.busy -= 1;
        }
        None
    }
}

enum Event {
    Claim,
    End(Job),
}

/// A worker whose line never ends, before an order system.
struct SimulatedSale<O> {
    orders: O,
    limit: ConcurrencyLimit,
    unanswered: usize,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    claims: bool,
    random: StdRng,
    done: u64,
    retries: u64,
}

impl<O: OrderSystem> SimulatedSale<O> {
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
            retries: 0,
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
                Event::End(job) => self.end(&job),
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

    fn start(&mut self, job: Option<Job>) {
        if let Some(job) = job {
            self.plan(Duration::from_secs_f64(job.service_time), Event::End(job));
        }
    }

    fn claim(&mut self) {
        self.claims = false;
        let entries = self.limit.current().saturating_sub(self.unanswered).min(CLAIM);
        self.unanswered += entries;
        let sent = Sent { at: self.now, alongside: self.unanswered };
        for _ in 0..entries {
            let job = self.orders.arrive(sent, &mut self.random);
            self.start(job);
        }
        self.limit.on_sent(self.unanswered, self.now);
        self.claim_again();
    }

    fn end(&mut self, job: &Job) {
        let next = self.orders.end(job, &mut self.random);
        self.start(next);
        for sent in &job.entries {
            self.unanswered -= 1;
            self.limit.on_answer(*sent, job.verdict, self.now);
            match job.verdict {
                Verdict::Done => self.done += 1,
                Verdict::Retry => self.retries += 1,
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
    sale: &mut SimulatedSale<O>,
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
    for (capacity, service) in [(1_000, 0.1), (100, 0.01), (10, 0.001)] {
        let mut sale = SimulatedSale::new(WorkerPool { capacity, service, ..WorkerPool::default() });
        sale.rate(2.0);
        check(&mut sale, 0.97, 10_000.0, capacity..=capacity * 2);
    }
    let mut slow = SimulatedSale::new(WorkerPool { capacity: 10_000, service: 1.0, ..WorkerPool::default() });
    slow.rate(15.0);
    check(&mut slow, 0.95, 10_000.0, 10_000..=CEILING);
}

#[test]
fn one_that_answers_sooner_than_the_next_claim_comes_is_given_large_claims() {
    let mut sale =
        SimulatedSale::new(WorkerPool { capacity: CEILING, service: 0.000_02, ..WorkerPool::default() });
    sale.rate(1.5);
    let of_largest_claims = 256.0 / (0.000_3 + 0.000_02);
    let rate = sale.rate(0.5);
    assert!(rate > 0.8 * of_largest_claims, "{rate} with a limit of {}", sale.limit.current());
}

#[test]
fn chance_in_the_latency_does_not_lead_away_from_the_knee() {
    let mut sale = SimulatedSale::new(WorkerPool {
        capacity: 100,
        service: 0.02,
        spread: true,
        ..WorkerPool::default()
    });
    sale.rate(2.0);
    for _ in 0..5 {
        check(&mut sale, 0.95, 5_000.0, 60..=250);
    }
}

#[test]
fn one_that_degrades_when_it_is_flooded_is_kept_at_its_knee() {
    let mut sale = SimulatedSale::new(WorkerPool {
        capacity: 50,
        service: 0.02,
        spread: true,
        degrades: 1.3,
        ..WorkerPool::default()
    });
    sale.rate(20.0);
    for _ in 0..3 {
        check(&mut sale, 0.9, 2_500.0, 35..=70);
    }
}

#[test]
fn the_limit_follows_a_knee_that_moves() {
    let mut sale = SimulatedSale::new(WorkerPool { capacity: 100, service: 0.02, ..WorkerPool::default() });
    sale.rate(5.0);
    sale.orders.capacity = 800;
    sale.rate(20.0);
    check(&mut sale, 0.95, 40_000.0, 750..=1_600);
    sale.orders.service = 0.2;
    check(&mut sale, 0.95, 4_000.0, 750..=1_600);
}

#[test]
fn batches_are_let_grow() {
    let mut sale = SimulatedSale::new(BatchWriter {
        max_batch: 1_024,
        fixed: 0.005,
        each: 0.000_1,
        ..BatchWriter::default()
    });
    sale.rate(2.0);
    let of_full_batches = 1_024.0 / (0.005 + 0.102_4);
    check(&mut sale, 0.8, of_full_batches, 200..=2_048);
}

#[test]
fn one_that_refuses_what_it_cannot_do_is_asked_for_little_more() {
    let mut sale = SimulatedSale::new(LimitedPool { capacity: 100, service: 0.02, ..LimitedPool::default() });
    sale.rate(5.0);
    let retries = sale.retries;
    check(&mut sale, 0.93, 5_000.0, 80..=120);
    let refused = sale.retries - retries;
    assert!(refused < 5_000, "{refused} of 100000");
}

#[test]
fn failures_that_have_nothing_to_do_with_the_load_do_not_lower_the_limit() {
    let mut sale = SimulatedSale::new(LimitedPool {
        capacity: 100,
        service: 0.02,
        fails: 0.2,
        ..LimitedPool::default()
    });
    sale.rate(5.0);
    check(&mut sale, 0.93, 4_000.0, 80..=120);
}

#[test]
fn one_that_fails_altogether_gets_the_floor_and_everything_again_when_it_recovers() {
    let mut sale = SimulatedSale::new(LimitedPool { capacity: 100, service: 0.02, ..LimitedPool::default() });
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
        limit.on_sent(FLOOR / 2, now);
        let sent = Sent { at: now, alongside: FLOOR / 2 };
        now += Duration::from_millis(1);
        limit.on_answer(sent, Verdict::Done, now);
        assert_eq!(limit.current(), INITIAL_LIMIT);
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
            limit.on_sent(current, now);
            let sent = Sent { at: now, alongside: current };
            now += Duration::from_millis(random.random_range(1..50));
            let verdict = if random.random_bool(0.2) { Verdict::Retry } else { Verdict::Done };
            limit.on_answer(sent, verdict, now);
        }
    }
}
