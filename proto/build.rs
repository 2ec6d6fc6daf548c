//! Compiles the `.proto` files with protox, a compiler in Rust, so that no protoc is needed.

use std::{env, error::Error, fs, path::Path};

use prost::Message as _;

const FILES: [&str; 6] = [
    "inrush/v1/order_creation.proto",
    "inrush/v1/queue.proto",
    "inrush/v1/sale.proto",
    "inrush/v1/sale_admin.proto",
    "inrush/v1/settlement.proto",
    "inrush/v1/ticket.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=inrush");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("inrush_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::SmallBuffers")
        .bytes(".inrush.v1")
        .compile_fds(descriptors)?;
    Ok(())
}
