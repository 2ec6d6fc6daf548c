//! Free ports.

use std::net::TcpListener;

/// A port of 127.0.0.1 that is free now. Another process may take it before it is used, so starters retry.
///
/// # Panics
/// If the machine has no free port.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
