//! The generated code of the protocol between a coordinator and its agents.

#![allow(
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

include!("generated/inrush.loadtest.v1.rs");
