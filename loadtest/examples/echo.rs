//! The server that the load tool's speed is measured against: stock tonic on its multi-threaded runtime, with one unary
//! method that answers with next to nothing (`grpc.health.v1.Health/Check`), and reflection.
//!
//! ```sh
//! cargo run --profile dist -p inrush-loadtest --example echo -- 127.0.0.1:50071
//! ```

use std::{env, error::Error};

use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50071".to_owned()).parse()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Server::builder().add_service(health).add_service(reflection).serve(address).await?;
    Ok(())
}
