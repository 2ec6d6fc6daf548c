//! What each operation costs Redis: processor time per ticket at several batch sizes, and memory per waiting ticket.
//!
//! Starts a Redis server of its own and prints a table: `cargo run --release -p inrush-core --example redis_cost`. The
//! time is that of the Redis process alone, network included; of several measurements the lowest counts, since other
//! processes on the machine can only add to it.

use std::{cell::RefCell, collections::VecDeque, error::Error, sync::Arc};

use inrush_core::{
    Entry, SaleId, SaleSettings, Seq, Store,
    store::{
        AdmitRequest, ClaimRequest, Configured, Expected, Leased, MAX_BATCH, Outcome, Settlement,
        redis::{RedisSettings, RedisStore},
    },
};
use inrush_e2e::redis_server::RedisServer;

/// Tickets per operation and batch size.
const TICKETS: u64 = 100_000;

/// Of so many measurements of one operation the lowest counts.
const MEASUREMENTS: usize = 10;

/// Tickets whose memory is measured: as many as the sale's cap, as its layout expects.
const WAITING_TICKETS: u64 = 1_000_000;

const BATCHES: [usize; 3] = [1, 16, MAX_BATCH];

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = RedisServer::start().await;
    let store = RedisStore::connect(RedisSettings::new(server.url())).await?;
    let mut columns = Vec::new();
    for batch in BATCHES {
        let bench = Bench { server: &server, store: &store, batch };
        columns.push(bench.costs().await?);
    }
    print_table(&columns);
    println!("bytes per waiting ticket: {:.1}", bytes_per_waiting_ticket(&server, &store).await?);
    Ok(())
}

type Costs = Vec<(&'static str, f64)>;

fn print_table(columns: &[Costs]) {
    let sizes: String = BATCHES.iter().map(|batch| format!("{batch:>8}")).collect();
    println!("µs of Redis per ticket, batch {sizes:>23}");
    for (row, (name, _)) in columns.iter().flatten().enumerate().take(columns.first().map_or(0, Vec::len)) {
        let costs =
            columns.iter().filter_map(|column| column.get(row)).map(|(_, cost)| format!("{cost:>8.2}"));
        println!("{name:<29}{}", costs.collect::<String>());
    }
}

/// One server, and how many tickets go into one call.
struct Bench<'a> {
    server: &'a RedisServer,
    store: &'a Arc<RedisStore>,
    batch: usize,
}

impl Bench<'_> {
    async fn costs(&self) -> Result<Costs, Failure> {
        let mut costs = self.costs_of_ordering().await?;
        costs.extend(self.costs_of_cancelling().await?);
        Ok(costs)
    }

    /// A sale in which every ticket is ordered.
    async fn costs_of_ordering(&self) -> Result<Costs, Failure> {
        let (store, sale) =
            (self.store, create(self.store, &format!("orders-{}", self.batch), WAITING_TICKETS).await?);
        let all = self.batches(1);
        let leased: RefCell<VecDeque<Vec<Leased>>> = RefCell::default();
        let floor = Floor::new(self.server).await?;
        let mut costs = Vec::new();
        costs.push((
            "(reading arguments only)",
            self.lowest(&all, async |seqs| floor.call(seqs).await).await?,
        ));
        let admit =
            async |seqs: &[Seq]| store.admit(&sale, &requests(seqs)).await.map(drop).map_err(Failure::from);
        costs.push(("admit", self.lowest(&all, admit).await?));
        costs.push(("admit, in line already", self.lowest(&all, admit).await?));
        let look_up = async |seqs: &[Seq]| store.look_up(&sale, seqs).await.map(drop).map_err(Failure::from);
        costs.push(("look up, waiting", self.lowest(&all, look_up).await?));
        let claim = async |seqs: &[Seq]| {
            let claim = store.claim(&sale, ClaimRequest { max: seqs.len() }).await?;
            let leases = claim.entries.iter().map(|claimed| Leased { seq: claimed.seq, fence: claim.fence });
            leased.borrow_mut().push_back(leases.collect());
            Ok(())
        };
        costs.push(("claim", self.lowest(&all, claim).await?));
        let settle = async |_: &[Seq]| {
            let leases = leased.borrow_mut().pop_front().unwrap_or_default();
            store.settle(&sale, &orders(&leases)).await?;
            Ok(())
        };
        costs.push(("settle", self.lowest(&all, settle).await?));
        costs.push(("look up, ordered", self.lowest(&all, look_up).await?));
        Ok(costs)
    }

    /// A sale in which every tenth ticket is cancelled.
    async fn costs_of_cancelling(&self) -> Result<Costs, Failure> {
        let (store, sale) =
            (self.store, create(self.store, &format!("cancels-{}", self.batch), WAITING_TICKETS).await?);
        let seqs: Vec<Seq> = (1..=TICKETS).collect();
        for seqs in seqs.chunks(MAX_BATCH) {
            store.admit(&sale, &requests(seqs)).await?;
        }
        let cancel = async |seqs: &[Seq]| store.cancel(&sale, seqs).await.map(drop).map_err(Failure::from);
        let look_up = async |seqs: &[Seq]| store.look_up(&sale, seqs).await.map(drop).map_err(Failure::from);
        let mut costs = Vec::new();
        costs.push(("cancel", self.lowest(&self.batches(10), cancel).await?));
        costs.push(("look up, tenth cancelled", self.lowest(&self.batches(1), look_up).await?));
        Ok(costs)
    }

    /// Every `step`-th ticket, in batches.
    fn batches(&self, step: usize) -> Vec<Vec<Seq>> {
        let seqs: Vec<Seq> = (1..=TICKETS).step_by(step).collect();
        seqs.chunks(self.batch).map(<[Seq]>::to_vec).collect()
    }

    /// Microseconds of Redis per ticket.
    async fn lowest(
        &self,
        batches: &[Vec<Seq>],
        operation: impl AsyncFn(&[Seq]) -> Result<(), Failure>,
    ) -> Result<f64, Failure> {
        let mut lowest = f64::INFINITY;
        for batches in batches.chunks(batches.len().div_ceil(MEASUREMENTS)) {
            let before = cpu_seconds(self.server).await;
            for seqs in batches {
                operation(seqs).await?;
            }
            let tickets: usize = batches.iter().map(Vec::len).sum();
            lowest = lowest.min((cpu_seconds(self.server).await - before) * 1e6 / as_number(tickets));
        }
        Ok(lowest)
    }
}

/// Calls as long as those that admit, of a script that does nothing.
struct Floor {
    script: redis::Script,
    connection: redis::aio::MultiplexedConnection,
}

impl Floor {
    async fn new(server: &RedisServer) -> Result<Self, Failure> {
        let connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
        Ok(Self { script: redis::Script::new("return #ARGV"), connection })
    }

    async fn call(&self, seqs: &[Seq]) -> Result<(), Failure> {
        let mut call = self.script.prepare_invoke();
        for (request, seq) in requests(seqs).iter().zip(seqs) {
            call.key(format!("inrush:{{floor}}:buyers:{seq}")).arg(request.entry.encode());
        }
        call.invoke_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }
}

async fn bytes_per_waiting_ticket(server: &RedisServer, store: &Arc<RedisStore>) -> Result<f64, Failure> {
    server.command::<()>(&["FLUSHALL"]).await;
    let before = info(server, "memory", "used_memory").await;
    let sale = create(store, "memory", WAITING_TICKETS).await?;
    let seqs: Vec<Seq> = (1..=WAITING_TICKETS).collect();
    for seqs in seqs.chunks(MAX_BATCH) {
        store.admit(&sale, &requests(seqs)).await?;
    }
    Ok((info(server, "memory", "used_memory").await - before) / as_number(seqs.len()))
}

async fn create(store: &Arc<RedisStore>, name: &str, stock: u64) -> Result<SaleId, Failure> {
    let sale: SaleId = name.parse()?;
    match store.configure(&sale, &SaleSettings::of_stock(stock), Expected::Absent).await? {
        Configured::Done(_) => Ok(sale),
        other => Err(format!("{sale} cannot be created: {other:?}").into()),
    }
}

/// Buyers of 16 bytes, no payload.
fn requests(seqs: &[Seq]) -> Vec<AdmitRequest> {
    seqs.iter()
        .filter_map(|seq| {
            let buyer = format!("{:016x}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)).parse().ok()?;
            let entry = Entry { buyer, units: 1, payload: Vec::new(), trace: Vec::new() };
            Some(AdmitRequest { entry, supersedes: None })
        })
        .collect()
}

fn orders(leases: &[Leased]) -> Vec<Settlement> {
    leases
        .iter()
        .map(|&leased| Settlement {
            leased,
            outcome: Outcome::Ordered { order_id: format!("order-{}", leased.seq) },
        })
        .collect()
}

async fn cpu_seconds(server: &RedisServer) -> f64 {
    info(server, "cpu", "used_cpu_user").await + info(server, "cpu", "used_cpu_sys").await
}

async fn info(server: &RedisServer, section: &str, field: &str) -> f64 {
    let text: String = server.command(&["INFO", section]).await;
    let value =
        text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok());
    value.unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
const fn as_number(count: usize) -> f64 {
    count as f64
}
