//! Runs the limit against simulated order systems in virtual time, and checks where it settles and how much
//! of each order system's capacity it uses.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use super::{AnswerKind, ConcurrencyLimit, Sent, search::INITIAL_LIMIT};

const FLOOR: usize = 16;
const CEILING: usize = 16_384;

/// From an answer to the next claim.
const TURNAROUND: Duration = Duration::from_micros(300);

/// Entries in one claim.
const CLAIM: usize = 256;

/// Entries that an order system handles together, and for how many seconds.
struct Job {
    entries: Vec<Sent>,
    kind: AnswerKind,
    service_time: f64,
}

trait OrderSystem {
    /// An entry arrives. Returns the job that starts with it, if any.
    fn arrive(&mut self, entry: Sent, random: &mut StdRng) -> Option<Job>;

    /// A job ends. Returns the next job, if any.
    fn end(&mut self, job: &Job, random: &mut StdRng) -> Option<Job>;
}

/// Works on `capacity` entries concurrently; others wait.
#[derive(Default)]
struct WorkerPool {
    capacity: usize,
    service: f64,
    /// Service times are exponential; otherwise they vary by a twentieth.
    spread: bool,
    /// With twice as many entries as its capacity, each takes this many doublings longer.
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
        Job { entries: vec![entry], kind: AnswerKind::Done, service_time }
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

/// Writes waiting entries in one transaction after the other, with a fixed cost and a cost for each entry.
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
        self.busy.then_some(Job { entries, kind: AnswerKind::Done, service_time })
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

/// Works on `capacity` entries concurrently, and answers any further one with retry immediately. Of those that it
/// works on, some fail.
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
            return Some(Job { entries, kind: AnswerKind::Retry, service_time: REFUSAL_TIME });
        }
        self.busy += 1;
        let kind = if random.random_bool(self.fails) { AnswerKind::Retry } else { AnswerKind::Done };
        Some(Job { entries, kind, service_time: self.service })
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

/// A worker whose queue never ends, in front of an order system.
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

    /// Entries completed per second over this time.
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
            self.limit.on_answer(*sent, job.kind, self.now);
            match job.kind {
                AnswerKind::Done => self.done += 1,
                AnswerKind::Retry => self.retries += 1,
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

/// Checks that the sale gets this share of the capacity, with a limit in this range, once the search has
/// settled.
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
fn the_capacity_is_used_at_any_latency() {
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
fn an_order_system_faster_than_claims_gets_large_claims() {
    let mut sale =
        SimulatedSale::new(WorkerPool { capacity: CEILING, service: 0.000_02, ..WorkerPool::default() });
    sale.rate(1.5);
    let of_largest_claims = 256.0 / (0.000_3 + 0.000_02);
    let rate = sale.rate(0.5);
    assert!(rate > 0.8 * of_largest_claims, "{rate} with a limit of {}", sale.limit.current());
}

#[test]
fn noise_in_the_latency_does_not_move_the_limit_from_the_knee() {
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
fn an_order_system_that_degrades_under_load_is_kept_at_its_knee() {
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
fn the_limit_follows_a_moving_knee() {
    let mut sale = SimulatedSale::new(WorkerPool { capacity: 100, service: 0.02, ..WorkerPool::default() });
    sale.rate(5.0);
    sale.orders.capacity = 800;
    sale.rate(20.0);
    check(&mut sale, 0.95, 40_000.0, 750..=1_600);
    sale.orders.service = 0.2;
    check(&mut sale, 0.95, 4_000.0, 750..=1_600);
}

#[test]
fn an_order_system_that_writes_batches_gets_full_batches() {
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
fn an_order_system_that_refuses_excess_entries_gets_few_of_them() {
    let mut sale = SimulatedSale::new(LimitedPool { capacity: 100, service: 0.02, ..LimitedPool::default() });
    sale.rate(5.0);
    let retries = sale.retries;
    check(&mut sale, 0.93, 5_000.0, 80..=120);
    let refused = sale.retries - retries;
    assert!(refused < 5_000, "{refused} of 100000");
}

#[test]
fn failures_independent_of_the_load_do_not_lower_the_limit() {
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
fn an_order_system_that_fails_entirely_gets_the_minimum_until_it_recovers() {
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
fn a_load_below_the_limit_does_not_change_it() {
    let mut limit = ConcurrencyLimit::between(FLOOR, CEILING);
    let mut now = Instant::now();
    for _ in 0..10_000 {
        limit.on_sent(FLOOR / 2, now);
        let sent = Sent { at: now, alongside: FLOOR / 2 };
        now += Duration::from_millis(1);
        limit.on_answer(sent, AnswerKind::Done, now);
        assert_eq!(limit.current(), INITIAL_LIMIT);
    }
}

#[test]
fn the_limit_stays_between_its_bounds_and_the_maximum_wins() {
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
            let kind = if random.random_bool(0.2) { AnswerKind::Retry } else { AnswerKind::Done };
            limit.on_answer(sent, kind, now);
        }
    }
}
