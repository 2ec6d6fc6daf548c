//! A front node on one runtime for all cores, as `#[tokio::main]` makes it, with one listener and one batcher of each kind:
//! what the benchmarks compare the runtime on each core with.
//!
//! ```sh
//! cargo run --profile dist -p inrush-front --example one_runtime -- redis://127.0.0.1:6379 ticket.keys
//! ```
//!
//! Prints `{"front":"http://HOST:PORT"}` once it takes connections, and runs until it is killed.

use std::{env, error::Error};

use inrush_core::Keyring;
use inrush_front::{FrontParts, FrontSettings, run_here};
use inrush_runtime::{listen, readiness::Readiness, shutdown::Shutdown};
use inrush_store::redis::{RedisSettings, RedisStore};
use inrush_telemetry::Metrics;
use mimalloc::MiMalloc;

/// That of `inrush`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(store), Some(keys)) = (arguments.next(), arguments.next()) else {
        return Err("give the store's URL and the file of ticket keys".into());
    };
    let listener = listen::bind("127.0.0.1:0", "nothing: any port will do")?;
    println!("{{\"front\":\"http://{}\"}}", listener.local_addr()?);
    let parts = FrontParts {
        settings: FrontSettings::default(),
        store: RedisStore::connect(RedisSettings::new(store)).await?,
        keyring: Keyring::parse(&std::fs::read_to_string(keys)?)?,
        readiness: Readiness::new(),
        metrics: Metrics::default(),
        traces: None,
    };
    run_here(parts, listener, &Shutdown::new()).await?;
    Ok(())
}
