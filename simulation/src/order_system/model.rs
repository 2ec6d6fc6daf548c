//! A model of an order system that has no clock of its own, so that its capacity is exact.
//!
//! Some workers take jobs from one queue, first come first served, and are busy with each for a service time. They do not
//! know whether the caller of a job has disconnected, and do the job in either case. A job whose ticket has an order
//! already, or for which nothing is left, costs a worker a look-up only.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

/// Maximum slowdown by contention: a system that is slower than that is down.
const MAX_SLOWDOWN: f64 = 10.0;

/// What an order system can do.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSettings {
    /// How many orders it processes concurrently.
    pub workers: u32,
    /// How long a worker is busy with an order.
    pub service: Duration,
    /// How long a look-up takes it, if the order exists or nothing is left.
    pub look_up: Duration,
    /// How much slower it gets for each job that waits per worker: the service time is multiplied by
    /// `1 + contention × waiting / workers`, at most by ten.
    pub contention: f64,
    /// Jobs that may wait, beyond which they are refused.
    pub most_waiting: usize,
    /// Units that it can sell; `None`: unlimited.
    pub stock: Option<u64>,
}

impl ModelSettings {
    /// Orders per second when it is always busy and without contention. Infinite if service takes no time.
    pub fn capacity(&self) -> f64 {
        f64::from(self.workers) / self.service.as_secs_f64()
    }
}

/// An order to create.
#[derive(Debug)]
pub struct Job<R> {
    /// The ticket: the idempotency key.
    pub ticket: Box<str>,
    /// How many units.
    pub units: u64,
    /// Who gets the answer.
    pub reply: R,
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// The order exists, under this number, and did not before.
    Created(u64),
    /// The order existed already.
    Existed(u64),
    /// Nothing is left.
    SoldOut,
}

/// A job that is done.
#[derive(Debug)]
pub struct Done<R> {
    /// When, since the start.
    pub at: Duration,
    /// The job.
    pub job: Job<R>,
    /// Its outcome.
    pub made: Made,
}

/// The workers, the queue and the orders of an order system.
#[derive(Debug)]
pub struct OrderModel<R> {
    settings: ModelSettings,
    waiting: VecDeque<Job<R>>,
    /// When each busy worker finishes, and its job's number.
    busy: BinaryHeap<Reverse<(Duration, u64)>>,
    in_work: HashMap<u64, Job<R>>,
    started: u64,
    orders: HashMap<Box<str>, u64>,
    sold: u64,
}

impl<R> OrderModel<R> {
    /// A model without jobs.
    pub fn new(settings: ModelSettings) -> Self {
        Self {
            settings,
            waiting: VecDeque::new(),
            busy: BinaryHeap::new(),
            in_work: HashMap::new(),
            started: 0,
            orders: HashMap::new(),
            sold: 0,
        }
    }

    /// Adds a job. Jobs that are done by `now` must have been removed with [`finish`](Self::finish) before.
    ///
    /// # Errors
    /// The job, when too many are waiting.
    pub fn offer(&mut self, now: Duration, job: Job<R>) -> Result<(), Job<R>> {
        if self.waiting.len() >= self.settings.most_waiting {
            return Err(job);
        }
        self.waiting.push_back(job);
        self.start_next(now);
        Ok(())
    }

    /// The next job that is done by `now`. Its worker starts the next one at the same time.
    pub fn finish(&mut self, now: Duration) -> Option<Done<R>> {
        let &Reverse((at, number)) = self.busy.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.busy.pop();
        let job = self.in_work.remove(&number)?;
        let made = self.make(&job);
        self.start_next(at);
        Some(Done { at, job, made })
    }

    /// When the next job will be done.
    pub fn next_finish(&self) -> Option<Duration> {
        self.busy.peek().map(|Reverse((at, _))| *at)
    }

    /// How many jobs wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn start_next(&mut self, now: Duration) {
        if self.busy.len() >= usize::try_from(self.settings.workers).unwrap_or(usize::MAX) {
            return;
        }
        let Some(job) = self.waiting.pop_front() else { return };
        let nothing_to_do = self.orders.contains_key(&job.ticket) || self.left() < job.units;
        let service = if nothing_to_do { self.settings.look_up } else { self.slowed(self.settings.service) };
        self.busy.push(Reverse((now + service, self.started)));
        self.in_work.insert(self.started, job);
        self.started += 1;
    }

    #[expect(clippy::cast_precision_loss, reason = "queues are far shorter than 2⁵²")]
    fn slowed(&self, service: Duration) -> Duration {
        let pressure = self.waiting.len() as f64 / f64::from(self.settings.workers.max(1));
        service.mul_f64((1.0 + self.settings.contention * pressure).clamp(1.0, MAX_SLOWDOWN))
    }

    fn left(&self) -> u64 {
        self.settings.stock.map_or(u64::MAX, |stock| stock.saturating_sub(self.sold))
    }

    fn make(&mut self, job: &Job<R>) -> Made {
        if let Some(&order) = self.orders.get(&job.ticket) {
            return Made::Existed(order);
        }
        if self.left() < job.units {
            return Made::SoldOut;
        }
        let order = self.orders.len() as u64 + 1;
        self.orders.insert(job.ticket.clone(), order);
        self.sold += job.units;
        Made::Created(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ModelSettings {
        ModelSettings {
            workers: 2,
            service: Duration::from_millis(100),
            look_up: Duration::from_millis(10),
            contention: 0.0,
            most_waiting: 100,
            stock: None,
        }
    }

    fn job(ticket: &str) -> Job<()> {
        Job { ticket: ticket.into(), units: 1, reply: () }
    }

    /// Tickets, times in milliseconds and outcomes of everything that is done by a time.
    fn drain(model: &mut OrderModel<()>, now: u64) -> Vec<(String, u128, Made)> {
        let now = Duration::from_millis(now);
        std::iter::from_fn(|| model.finish(now))
            .map(|done| (done.job.ticket.into(), done.at.as_millis(), done.made))
            .collect()
    }

    #[test]
    fn workers_are_busy_without_a_gap_even_if_finish_is_called_late() {
        let mut model = OrderModel::new(settings());
        for ticket in ["a", "b", "c", "d", "e"] {
            model.offer(Duration::ZERO, job(ticket)).unwrap();
        }
        assert_eq!((model.waiting(), model.next_finish()), (3, Some(Duration::from_millis(100))));
        assert!(drain(&mut model, 99).is_empty());
        let times: Vec<u128> = drain(&mut model, 10_000).into_iter().map(|(_, at, _)| at).collect();
        assert_eq!(times, [100, 100, 200, 200, 300]);
        assert!((settings().capacity() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_ticket_has_one_order_and_a_repeat_is_cheap() {
        let mut model = OrderModel::new(ModelSettings { workers: 1, ..settings() });
        for ticket in ["a", "a", "b"] {
            model.offer(Duration::ZERO, job(ticket)).unwrap();
        }
        let done = drain(&mut model, 1_000);
        let wanted = [
            ("a".to_owned(), 100, Made::Created(1)),
            ("a".to_owned(), 110, Made::Existed(1)),
            ("b".to_owned(), 210, Made::Created(2)),
        ];
        assert_eq!(done, wanted);
    }

    #[test]
    fn nothing_is_sold_twice_by_concurrent_workers() {
        let mut model = OrderModel::new(ModelSettings { stock: Some(1), ..settings() });
        for ticket in ["a", "b", "c"] {
            model.offer(Duration::ZERO, job(ticket)).unwrap();
        }
        let made: Vec<Made> = drain(&mut model, 1_000).into_iter().map(|(_, _, made)| made).collect();
        assert_eq!(made, [Made::Created(1), Made::SoldOut, Made::SoldOut]);
    }

    #[test]
    fn a_long_queue_slows_a_system_with_contention_and_is_bounded() {
        let contended = ModelSettings { workers: 1, contention: 0.5, most_waiting: 3, ..settings() };
        let mut model = OrderModel::new(contended);
        for ticket in ["a", "b", "c", "d"] {
            model.offer(Duration::ZERO, job(ticket)).unwrap();
        }
        assert!(model.offer(Duration::ZERO, job("e")).is_err());
        let times: Vec<u128> = drain(&mut model, 10_000).into_iter().map(|(_, at, _)| at).collect();
        // With two, one and none waiting behind it, a job takes 200, 150 and 100 ms.
        assert_eq!(times, [100, 300, 450, 550]);
    }
}
