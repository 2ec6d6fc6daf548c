//! Listening sockets: one for a port, or several that share a port so that each core accepts its own connections.
//!
//! Sharing (`SO_REUSEPORT`) would also let another process of the same user take part in the port, and each would get
//! some of the connections. So the first socket always binds alone, which fails if anybody else is there, and only
//! then opens the port to its siblings.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections may wait to be accepted. A rush connects all at once, and a connection that finds no place here
/// waits a second for its next try; the kernel lowers the number to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// One listener. Non-blocking, ready for `tokio::net::TcpListener::from_std`; port 0 takes any free port. `setting`
/// tells the user in an error what to change, such as [`Loaded::how_to_set`](crate::config::Loaded::how_to_set) says it.
///
/// # Errors
/// If the address is none, or this process cannot have it.
pub fn bind(address: &str, setting: &str) -> Result<TcpListener, ListenError> {
    let attempt = Attempt { address: resolve(address, setting)?, setting };
    let socket = attempt.bind(Sharing::Alone)?;
    attempt.listen(socket)
}

/// As many listeners on one address as are asked for; the kernel spreads the connections over them. With port 0 all
/// get the same free port.
///
/// # Errors
/// As [`bind`].
pub fn bind_many(address: &str, setting: &str, count: NonZeroUsize) -> Result<Vec<TcpListener>, ListenError> {
    let attempt = Attempt { address: resolve(address, setting)?, setting };
    let first = attempt.bind(Sharing::Alone)?;
    let address = attempt.local_address(&first)?;
    let attempt = Attempt { address, setting };
    first.set_reuse_port(true).map_err(|error| attempt.explain(error))?;
    let mut sockets = vec![first];
    for _ in 1..count.get() {
        sockets.push(attempt.bind(Sharing::WithSiblings)?);
    }
    sockets.into_iter().map(|socket| attempt.listen(socket)).collect()
}

fn resolve(address: &str, setting: &str) -> Result<SocketAddr, ListenError> {
    let bad_address = |reason: String| ListenError::BadAddress {
        address: address.to_owned(),
        setting: setting.to_owned(),
        reason,
    };
    let mut found = address.to_socket_addrs().map_err(|error| bad_address(error.to_string()))?;
    found.next().ok_or_else(|| bad_address("the name has no address".to_owned()))
}

#[derive(Clone, Copy)]
enum Sharing {
    Alone,
    WithSiblings,
}

/// An address that is to be listened on, and the setting that chose it.
struct Attempt<'a> {
    address: SocketAddr,
    setting: &'a str,
}

impl Attempt<'_> {
    fn bind(&self, sharing: Sharing) -> Result<Socket, ListenError> {
        let open = || {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
            // Connections of an earlier process that linger in TIME_WAIT must not keep the port.
            socket.set_reuse_address(true)?;
            if matches!(sharing, Sharing::WithSiblings) {
                socket.set_reuse_port(true)?;
            }
            // Accepted connections inherit it: answers are small and must not wait for more.
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&self.address.into())?;
            Ok(socket)
        };
        open().map_err(|error| self.explain(error))
    }

    fn local_address(&self, socket: &Socket) -> Result<SocketAddr, ListenError> {
        let address = socket.local_addr().map_err(|error| self.explain(error))?;
        Ok(address.as_socket().unwrap_or(self.address))
    }

    fn listen(&self, socket: Socket) -> Result<TcpListener, ListenError> {
        socket.listen(BACKLOG).map_err(|error| self.explain(error))?;
        Ok(socket.into())
    }

    fn explain(&self, error: io::Error) -> ListenError {
        let (address, setting) = (self.address, self.setting.to_owned());
        match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::Taken { address, setting },
            io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, setting },
            io::ErrorKind::AddrNotAvailable => ListenError::NotHere { address, setting },
            _ => ListenError::Other { address, setting, source: error },
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is no address.
    #[error(
        "cannot listen on `{address}` ({reason}): give an address and a port, such as 0.0.0.0:50051, with {setting}"
    )]
    BadAddress {
        /// The text.
        address: String,
        /// What the user changes.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another listener has the port.
    #[error(
        "{address} is already in use: stop the process that listens there, or choose another port with {setting}"
    )]
    Taken {
        /// The address.
        address: SocketAddr,
        /// What the user changes.
        setting: String,
    },
    /// The process may not have the port.
    #[error(
        "this user may not listen on {address}: choose a port from 1024 upwards with {setting}, \
         or give the process the right to lower ones (CAP_NET_BIND_SERVICE)"
    )]
    NotPermitted {
        /// The address.
        address: SocketAddr,
        /// What the user changes.
        setting: String,
    },
    /// The address belongs to another machine.
    #[error(
        "{address} is not an address of this machine: choose one of its own, or 0.0.0.0 for all, with {setting}"
    )]
    NotHere {
        /// The address.
        address: SocketAddr,
        /// What the user changes.
        setting: String,
    },
    /// Anything else the operating system said.
    #[error("cannot listen on {address} (set with {setting})")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the user changes.
        setting: String,
        /// What the operating system said.
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
    fn siblings_share_one_free_port_and_its_connections() {
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
        // The kernel picks by a hash of the addresses: all on one side has a chance of two to the power of -127.
        assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    }

    #[test]
    fn a_port_of_anybody_else_is_taken_even_if_it_could_be_shared() {
        let alone = bind("127.0.0.1:0", SETTING).unwrap();
        let shared = many("127.0.0.1:0", 2).unwrap();
        for holder in [&alone, &shared[0]] {
            let address = holder.local_addr().unwrap().to_string();
            for error in [bind(&address, SETTING).unwrap_err(), many(&address, 2).unwrap_err()] {
                assert!(matches!(error, ListenError::Taken { .. }), "{error:?}");
                let message = error.to_string();
                assert!(message.contains(&address) && message.contains("INRUSH_FRONT_LISTEN"), "{message}");
            }
        }
    }

    #[test]
    fn a_port_is_free_again_once_its_listener_is_gone() {
        let listener = bind("127.0.0.1:0", SETTING).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        drop(listener);
        drop(client);
        bind(&address.to_string(), SETTING).unwrap();
    }

    #[test]
    fn what_is_no_address_of_this_machine_says_what_to_write() {
        for (address, says) in [
            ("50051", "such as 0.0.0.0:50051"),
            ("127.0.0.1", "such as 0.0.0.0:50051"),
            ("127.0.0.1:99999", "such as 0.0.0.0:50051"),
            ("192.0.2.1:50051", "not an address of this machine"),
        ] {
            let message = bind(address, SETTING).unwrap_err().to_string();
            assert!(message.contains(says) && message.contains(SETTING), "{message}");
        }
    }

    #[test]
    fn a_forbidden_port_says_how_to_be_allowed() {
        let attempt = Attempt { address: ([127, 0, 0, 1], 80).into(), setting: SETTING };
        let message = attempt.explain(io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(message.contains("port from 1024 upwards"), "{message}");
    }
}
