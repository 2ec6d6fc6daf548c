//! The line by which a server tells that it takes connections.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

/// Prints it.
///
/// # Errors
/// If nobody reads it any more.
pub(crate) fn listening(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "listen": address.to_string() }))?;
    out.flush()
}
