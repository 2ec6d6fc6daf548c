//! Listening sockets: one per port, or several that share a port so that each core accepts connections of its own.
//!
//! `SO_REUSEPORT` also lets another process of the same user bind the port, and each process would get some of
//! the connections. So the first socket binds without it, which fails if the port is in use, and then sets it for
//! the others.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted. In a rush many clients connect concurrently, and a client whose SYN is
/// dropped retries after a second. The kernel caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// One listener, non-blocking, for `tokio::net::TcpListener::from_std`; port 0 takes any free port. Errors name
/// `setting` as the remedy, such as the text of [`Loaded::how_to_set`](crate::config::Loaded::how_to_set).
///
/// # Errors
/// If the address is invalid or cannot be bound.
pub fn bind(address: &str, setting: &str) -> Result<TcpListener, ListenError> {
    let attempt = Attempt { address: resolve(address, setting)?, setting };
    let socket = attempt.bind(PortSharing::Exclusive)?;
    attempt.listen(socket)
}

/// `count` listeners on one address; the kernel distributes connections over them. With port 0 all have the same
/// port.
///
/// # Errors
/// As [`bind`].
pub fn bind_many(address: &str, setting: &str, count: NonZeroUsize) -> Result<Vec<TcpListener>, ListenError> {
    let attempt = Attempt { address: resolve(address, setting)?, setting };
    let first = attempt.bind(PortSharing::Exclusive)?;
    let address = attempt.local_address(&first)?;
    let attempt = Attempt { address, setting };
    first.set_reuse_port(true).map_err(|error| attempt.error(error))?;
    let mut sockets = vec![first];
    for _ in 1..count.get() {
        sockets.push(attempt.bind(PortSharing::Shared)?);
    }
    sockets.into_iter().map(|socket| attempt.listen(socket)).collect()
}

fn resolve(address: &str, setting: &str) -> Result<SocketAddr, ListenError> {
    let invalid = |reason: String| ListenError::InvalidAddress {
        address: address.to_owned(),
        setting: setting.to_owned(),
        reason,
    };
    let mut addresses = address.to_socket_addrs().map_err(|error| invalid(error.to_string()))?;
    addresses.next().ok_or_else(|| invalid("the name has no address".to_owned()))
}

#[derive(Clone, Copy)]
enum PortSharing {
    Exclusive,
    Shared,
}

/// An address to bind, and the setting that it is from.
struct Attempt<'a> {
    address: SocketAddr,
    setting: &'a str,
}

impl Attempt<'_> {
    fn bind(&self, sharing: PortSharing) -> Result<Socket, ListenError> {
        let open = || {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
            // Connections of an earlier process in TIME_WAIT must not block the port.
            socket.set_reuse_address(true)?;
            if matches!(sharing, PortSharing::Shared) {
                socket.set_reuse_port(true)?;
            }
            // Accepted connections inherit it: responses are small and must not be delayed.
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&self.address.into())?;
            Ok(socket)
        };
        open().map_err(|error| self.error(error))
    }

    fn local_address(&self, socket: &Socket) -> Result<SocketAddr, ListenError> {
        let address = socket.local_addr().map_err(|error| self.error(error))?;
        Ok(address.as_socket().unwrap_or(self.address))
    }

    fn listen(&self, socket: Socket) -> Result<TcpListener, ListenError> {
        socket.listen(BACKLOG).map_err(|error| self.error(error))?;
        Ok(socket.into())
    }

    fn error(&self, error: io::Error) -> ListenError {
        let (address, setting) = (self.address, self.setting.to_owned());
        match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address, setting },
            io::ErrorKind::PermissionDenied => ListenError::PermissionDenied { address, setting },
            io::ErrorKind::AddrNotAvailable => ListenError::NotLocal { address, setting },
            _ => ListenError::Other { address, setting, source: error },
        }
    }
}

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is invalid.
    #[error(
        "invalid address `{address}` ({reason}): expected host:port, such as 0.0.0.0:50051, in {setting}"
    )]
    InvalidAddress {
        /// The address as configured.
        address: String,
        /// The setting.
        setting: String,
        /// The reason.
        reason: String,
    },
    /// Another listener uses the port.
    #[error(
        "{address} is already in use: stop the process that listens there, or set another port in {setting}"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The setting.
        setting: String,
    },
    /// The process has no permission for the port.
    #[error(
        "permission denied for {address}: set a port from 1024 upwards in {setting}, \
         or give the process CAP_NET_BIND_SERVICE"
    )]
    PermissionDenied {
        /// The address.
        address: SocketAddr,
        /// The setting.
        setting: String,
    },
    /// The address belongs to another machine.
    #[error(
        "{address} is not an address of this machine: set one of its own, or 0.0.0.0 for all, in {setting}"
    )]
    NotLocal {
        /// The address.
        address: SocketAddr,
        /// The setting.
        setting: String,
    },
    /// Another error of the operating system.
    #[error("cannot listen on {address}, set in {setting}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The setting.
        setting: String,
        /// The error of the operating system.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use super::*;

    const SETTING: &str = "`front.listen` (variable INRUSH_FRONT_LISTEN)";

    fn many(address: &str, count: usize) -> Result<Vec<TcpListener>, ListenError> {
        bind_many(address, SETTING, NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn several_listeners_share_one_free_port_and_its_connections() {
        let listeners = many("127.0.0.1:0", 2).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
        let connections: Vec<_> = (0..128).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut accepted = [0_usize; 2];
        let deadline = Instant::now() + Duration::from_secs(30);
        while accepted.iter().sum::<usize>() < connections.len() {
            assert!(Instant::now() < deadline, "only {accepted:?} accepted");
            for (listener, count) in listeners.iter().zip(&mut accepted) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        assert!(stream.nodelay().unwrap());
                        *count += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
        // The kernel chooses by a hash of the addresses: all on one listener has a probability of 2^-127.
        assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    }

    #[test]
    fn a_port_of_another_process_is_in_use_even_if_it_could_be_shared() {
        let alone = bind("127.0.0.1:0", SETTING).unwrap();
        let shared = many("127.0.0.1:0", 2).unwrap();
        for holder in [&alone, &shared[0]] {
            let address = holder.local_addr().unwrap().to_string();
            for error in [bind(&address, SETTING).unwrap_err(), many(&address, 2).unwrap_err()] {
                assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
                let message = error.to_string();
                assert!(message.contains(&address) && message.contains("INRUSH_FRONT_LISTEN"), "{message}");
            }
        }
    }

    #[test]
    fn a_port_is_free_after_its_listener_is_closed() {
        let listener = bind("127.0.0.1:0", SETTING).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        drop(listener);
        drop(client);
        bind(&address.to_string(), SETTING).unwrap();
    }

    #[test]
    fn an_invalid_or_remote_address_names_the_remedy() {
        for (address, text) in [
            ("50051", "such as 0.0.0.0:50051"),
            ("127.0.0.1", "such as 0.0.0.0:50051"),
            ("127.0.0.1:99999", "such as 0.0.0.0:50051"),
            ("192.0.2.1:50051", "not an address of this machine"),
        ] {
            let message = bind(address, SETTING).unwrap_err().to_string();
            assert!(message.contains(text) && message.contains(SETTING), "{message}");
        }
    }

    #[test]
    fn a_privileged_port_names_the_remedy() {
        let attempt = Attempt { address: ([127, 0, 0, 1], 80).into(), setting: SETTING };
        let message = attempt.error(io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(message.contains("port from 1024 upwards"), "{message}");
    }
}
