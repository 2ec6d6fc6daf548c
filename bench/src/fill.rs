//! Creates a sale with waiting tickets directly in the store, hundreds of times faster than with calls, and writes
//! PollStatusRequests for these tickets.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::{TryStreamExt as _, stream};
use inrush_core::store::prelude::*;
use inrush_core::{
    Entry, Keyring, SaleId, SaleSettings, TicketId,
    keyring::BuyerTag,
    store::{AdmitRequest, ConfigureResult, MAX_BATCH, Precondition},
};
use inrush_proto::v1::PollStatusRequest;
use inrush_store::redis::{RedisSettings, RedisStore};
use prost::Message as _;
use tokio::runtime::Builder;

/// Odd, so that its multiples modulo 2⁶⁴ are distinct: consecutive buyers get ids that are far apart.
pub(crate) const ID_MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// The sale; it must not exist.
    #[arg(long)]
    sale: SaleId,
    /// The number of waiting buyers, with ids of 16 bytes.
    #[arg(long)]
    tickets: u64,
    /// Stock of the sale; by default the number of tickets.
    #[arg(long)]
    stock: Option<u64>,
    /// Bytes of payload of each buyer.
    #[arg(long, default_value_t = 0)]
    payload: usize,
    /// Tickets in one batch, at most 256.
    #[arg(long, default_value_t = MAX_BATCH)]
    batch: usize,
    /// Batches in flight to Redis. More fill faster; with one, the cost of a batch can be measured.
    #[arg(long, default_value_t = 8)]
    batches_in_flight: usize,
    #[command(flatten)]
    polls: Polls,
}

#[derive(Debug, Args)]
struct Polls {
    /// Write length-prefixed PollStatusRequests to this file.
    #[arg(long, requires = "keys")]
    polls: Option<PathBuf>,
    /// How many, spread evenly over the queue and in random order.
    #[arg(long, default_value_t = 100_000)]
    poll_count: u64,
    /// File with the keys that sign the tickets.
    #[arg(long)]
    keys: Option<PathBuf>,
}

/// Fills the queue.
///
/// # Errors
/// If the sale exists or admits fewer, or the store is unavailable.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(fill(arguments))
}

async fn fill(arguments: &Arguments) -> anyhow::Result<()> {
    let store = RedisStore::connect(RedisSettings::new(&arguments.store)).await?;
    let settings = SaleSettings::of_stock(arguments.stock.unwrap_or(arguments.tickets).max(1));
    let ConfigureResult::Done(sale) =
        store.configure(&arguments.sale, &settings, Precondition::Absent).await?
    else {
        bail!("the sale {} exists", arguments.sale);
    };
    admit(&store, arguments).await?;
    if let (Some(polls), Some(keys)) = (&arguments.polls.polls, &arguments.polls.keys) {
        let tickets = Tickets { sale: &arguments.sale, epoch: sale.epoch, waiting: arguments.tickets };
        tickets.write_polls(polls, keys, arguments.polls.poll_count)?;
    }
    Ok(())
}

async fn admit(store: &Arc<RedisStore>, arguments: &Arguments) -> anyhow::Result<()> {
    let batch = u64::try_from(arguments.batch)?.max(1);
    let starts = (0..arguments.tickets.div_ceil(batch)).map(|number| number * batch);
    stream::iter(starts.map(anyhow::Ok))
        .try_for_each_concurrent(arguments.batches_in_flight, |start| async move {
            let buyers = start..(start + batch).min(arguments.tickets);
            let requests =
                buyers.map(|buyer| request(buyer, arguments.payload)).collect::<Result<Vec<_>, _>>()?;
            store.admit(&arguments.sale, &requests).await?;
            Ok(())
        })
        .await
}

pub(crate) fn request(buyer: u64, payload: usize) -> anyhow::Result<AdmitRequest> {
    let buyer = format!("{:016x}", buyer.wrapping_mul(ID_MULTIPLIER)).parse()?;
    let entry = Entry { buyer, units: 1, payload: vec![b'x'; payload], trace: Vec::new() };
    Ok(AdmitRequest { entry, supersedes: None, restores: None })
}

struct Tickets<'a> {
    sale: &'a SaleId,
    epoch: u64,
    waiting: u64,
}

impl Tickets<'_> {
    fn write_polls(&self, polls: &Path, keys: &Path, count: u64) -> anyhow::Result<()> {
        let text =
            std::fs::read_to_string(keys).with_context(|| format!("cannot read {}", keys.display()))?;
        let keyring = Keyring::parse(&text)?;
        let mut file = BufWriter::new(File::create(polls)?);
        for number in 0..count {
            let seq = 1 + number.wrapping_mul(ID_MULTIPLIER) % self.waiting.max(1);
            let buyer = format!("buyer-{seq}").parse()?;
            let id = TicketId { sale: self.sale.clone(), epoch: self.epoch, seq };
            let request = PollStatusRequest { ticket: keyring.sign(&id, BuyerTag::of(&buyer)) };
            file.write_all(&request.encode_length_delimited_to_vec())?;
        }
        file.flush()?;
        Ok(())
    }
}
