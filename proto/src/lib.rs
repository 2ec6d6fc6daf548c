//! The `inrush.v1` protocol. The documentation of every message and call is in the `.proto` files beside
//! this crate. The code in `generated/` is made from them by `make generate`; only the codec and the names of status
//! codes are written by hand.

mod code;
mod codec;

pub use self::code::{code_name, is_server_error};

#[allow(
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    reason = "generated code"
)]
/// Messages, clients and servers of package `inrush.v1`.
pub mod v1 {
    include!("generated/inrush.v1.rs");
}

/// The compiled descriptors of every file, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");
