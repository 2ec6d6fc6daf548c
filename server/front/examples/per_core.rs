//! A front node with a runtime on each core, and nothing else: what the benchmarks of the server stack run.
//!
//! ```sh
//! cargo run --profile dist -p inrush-front --example per_core -- redis://127.0.0.1:6379 ticket.keys
//! ```
//!
//! Prints `{"front":"http://HOST:PORT"}` once it takes connections, and runs until it is killed.

use std::{env, error::Error};

use inrush_core::Keyring;
use inrush_front::{FrontParts, FrontSettings, run};
use inrush_runtime::{readiness::Readiness, shutdown::Shutdown};
use inrush_store::redis::{RedisSettings, RedisStore};
use inrush_telemetry::Metrics;
use mimalloc::MiMalloc;

/// That of `inrush`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(store), Some(keys)) = (arguments.next(), arguments.next()) else {
        return Err("give the store's URL and the file of ticket keys".into());
    };
    let settings = FrontSettings { listen: "127.0.0.1:0".to_owned(), ..FrontSettings::default() };
    let listeners = settings.bind("nothing: any port will do")?;
    let address = listeners.first().ok_or("there is no core")?.local_addr()?;
    println!("{{\"front\":\"http://{address}\"}}");
    let parts = FrontParts {
        settings,
        store: RedisStore::connect(RedisSettings::new(store)).await?,
        keyring: Keyring::parse(&std::fs::read_to_string(keys)?)?,
        readiness: Readiness::new(),
        metrics: Metrics::default(),
        traces: None,
    };
    run(parts, listeners, &Shutdown::new()).await?;
    Ok(())
}
