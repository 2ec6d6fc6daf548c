//! The network card of a Redis server: all connections to it pass here, and can be cut, stopped, delayed, and lose replies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Bytes that are forwarded in one piece.
const BUFFER: usize = 64 * 1024;

/// A proxy before one server.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What happens to the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    /// Connections stay open, and nothing passes.
    stopped: bool,
    /// The replication stream does not pass.
    replication_stopped: bool,
    /// Everything passes so much later.
    delay: Duration,
    /// Connections of an earlier generation end.
    generation: u64,
}

/// What happens to the next reply to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFault {
    /// It does not arrive, and the connection ends.
    Dropped,
    /// Its first half arrives, and the connection ends.
    Torn,
}

struct State {
    traffic: watch::Sender<Traffic>,
    next_reply: Mutex<Option<ReplyFault>>,
    replies_spoiled: AtomicU64,
}

/// What a connection is for, as far as its bytes show it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Unknown,
    Inrush,
    Replica,
}

impl Proxy {
    /// Forwards to a server's port on 127.0.0.1.
    pub async fn to(server_port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            traffic: watch::Sender::new(Traffic::default()),
            next_reply: Mutex::new(None),
            replies_spoiled: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server_port, Arc::clone(&shared)));
            }
        });
        Ok(Self { port, state, accepting })
    }

    /// The port that clients, replicas and sentinels use.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections; new ones are accepted.
    pub fn cut(&self) {
        self.state.traffic.send_modify(|traffic| traffic.generation += 1);
    }

    /// Nothing passes any more, and connections stay open; or it passes again.
    pub fn set_stopped(&self, stopped: bool) {
        self.state.traffic.send_modify(|traffic| traffic.stopped = stopped);
    }

    /// The replication stream does not pass any more, or passes again.
    pub fn set_replication_stopped(&self, stopped: bool) {
        self.state.traffic.send_modify(|traffic| traffic.replication_stopped = stopped);
    }

    /// Everything passes so much later.
    pub fn set_delay(&self, delay: Duration) {
        self.state.traffic.send_modify(|traffic| traffic.delay = delay);
    }

    /// What happens to the next reply to a script.
    pub fn spoil_next_reply(&self, fault: ReplyFault) {
        *self.state.next_reply.lock() = Some(fault);
    }

    /// How many replies were spoiled.
    pub fn replies_spoiled(&self) -> u64 {
        self.state.replies_spoiled.load(Ordering::Relaxed)
    }

    /// Everything passes, without delay.
    pub fn heal(&self) {
        *self.state.next_reply.lock() = None;
        self.state.traffic.send_modify(|traffic| {
            *traffic = Traffic { generation: traffic.generation, ..Traffic::default() }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn connect(client: TcpStream, server_port: u16, state: Arc<State>) {
    let traffic = state.traffic.subscribe();
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    // Delays are meant to be those that are asked for.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let generation = traffic.borrow().generation;
    let peer = Arc::new(Mutex::new(Peer::Unknown));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = traffic.clone();
    tokio::select! {
        () = send_requests(from_client, to_server, traffic.clone(), Arc::clone(&peer)) => {}
        () = send_replies(from_server, to_client, traffic, state, peer) => {}
        _ = cut.wait_for(|now| now.generation != generation) => {}
    }
}

async fn send_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
    peer: Arc<Mutex<Peer>>,
) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if *peer.lock() == Peer::Unknown {
            *peer.lock() = peer_that_sends(bytes);
        }
        if !passes(&mut traffic, false).await || to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn send_replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
    state: Arc<State>,
    peer: Arc<Mutex<Peer>>,
) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let peer = *peer.lock();
        let fault = if peer == Peer::Inrush { state.next_reply.lock().take() } else { None };
        if let Some(fault) = fault {
            state.replies_spoiled.fetch_add(1, Ordering::Relaxed);
            if fault == ReplyFault::Torn {
                // The connection ends whether this arrives or not.
                let _ = to.write_all(&bytes[..length / 2]).await;
            }
            return;
        }
        if !passes(&mut traffic, peer == Peer::Replica).await || to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Waits until bytes may pass. False if they never will.
async fn passes(traffic: &mut watch::Receiver<Traffic>, is_replication: bool) -> bool {
    let blocked = |now: &Traffic| now.stopped || (is_replication && now.replication_stopped);
    let delay = match traffic.wait_for(|now| !blocked(now)).await {
        Ok(now) => now.delay,
        Err(_) => return false,
    };
    if !delay.is_zero() {
        sleep(delay).await;
    }
    true
}

fn peer_that_sends(bytes: &[u8]) -> Peer {
    let contains = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if contains(b"EVALSHA") || contains(b"EVAL\r\n") {
        Peer::Inrush
    } else if contains(b"PSYNC") {
        Peer::Replica
    } else {
        Peer::Unknown
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A server that answers every piece of bytes with the same bytes.
    async fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 100];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        let _ = stream.write_all(&buffer[..length]).await;
                    }
                });
            }
        });
        port
    }

    async fn ask(stream: &mut TcpStream, words: &[u8]) -> Vec<u8> {
        stream.write_all(words).await.expect("an open connection");
        let mut reply = vec![0; 100];
        let length = stream.read(&mut reply).await.unwrap_or(0);
        reply.truncate(length);
        reply
    }

    #[tokio::test]
    async fn replies_to_scripts_are_dropped_and_torn_and_others_are_not() {
        let proxy = Proxy::to(echo().await).await.expect("a port");
        let mut operator = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("a proxy");
        for (fault, left) in [(ReplyFault::Dropped, ""), (ReplyFault::Torn, "EVAL")] {
            let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("a proxy");
            assert_eq!(ask(&mut client, b"EVALSHA ").await, b"EVALSHA ");
            proxy.spoil_next_reply(fault);
            assert_eq!(ask(&mut operator, b"PING").await, b"PING");
            assert_eq!(ask(&mut client, b"EVALSHA ").await, left.as_bytes());
            assert_eq!(client.read(&mut [0; 9]).await.unwrap_or(0), 0, "the connection has ended");
        }
        assert_eq!(proxy.replies_spoiled(), 2);
    }

    #[tokio::test]
    async fn a_stopped_connection_stays_open_and_a_cut_one_does_not() {
        let proxy = Proxy::to(echo().await).await.expect("a port");
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("a proxy");
        proxy.set_stopped(true);
        client.write_all(b"PING").await.expect("an open connection");
        let mut reply = [0; 4];
        let nothing = timeout(Duration::from_millis(100), client.read(&mut reply)).await;
        assert!(nothing.is_err(), "{nothing:?}");
        proxy.heal();
        assert_eq!(client.read(&mut reply).await.ok(), Some(4));
        proxy.cut();
        assert_eq!(client.read(&mut reply).await.unwrap_or(0), 0);
    }
}
