//! Compiles the protocol of agents with protox, a compiler in Rust, so that no protoc is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["inrush/loadtest/v1/agent.proto"], ["proto"])?;
    tonic_prost_build::configure().bytes(".inrush.loadtest.v1").compile_fds(descriptors)?;
    Ok(())
}
