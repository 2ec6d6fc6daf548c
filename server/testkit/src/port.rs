//! Free ports.

use std::net::TcpListener;

/// A port of 127.0.0.1 that nobody listens on now. Somebody else may take it before it is used: starters try again.
///
/// # Panics
/// When the machine has no free port.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
