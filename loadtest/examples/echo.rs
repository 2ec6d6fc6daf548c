//! The server that the load tool's speed is measured against: stock tonic on its multi-threaded runtime, with one unary
//! method that answers with nothing (`grpc.health.v1.Health/Check`).
//!
//! ```sh
//! cargo run --release -p inrush-loadtest --example echo -- 127.0.0.1:50071
//! ```

use std::{env, error::Error};

use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50071".to_owned()).parse()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    Server::builder().add_service(health).serve(address).await?;
    Ok(())
}
