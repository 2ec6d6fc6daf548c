//! The first line on standard output of a server.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

/// Prints the address of a server that accepts connections now.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn print_address(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "listen": address.to_string() }))?;
    out.flush()
}
