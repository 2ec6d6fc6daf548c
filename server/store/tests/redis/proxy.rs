//! A proxy that can swallow an answer or a part of it and break the connection, as a network does at the worst moment.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const BUFFER: usize = 64 * 1024;

/// What becomes of the next answer.
const FORWARD: u8 = 0;
const SWALLOW: u8 = 1;
const CUT: u8 = 2;

pub(crate) struct Proxy {
    port: u16,
    next: Arc<AtomicU8>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to a server's port on 127.0.0.1.
    pub(crate) async fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let next = Arc::new(AtomicU8::new(FORWARD));
        let flag = Arc::clone(&next);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server_port, Arc::clone(&flag)));
            }
        });
        Self { port, next, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next answer of the server is lost, and the connection with it.
    pub(crate) fn swallow_next_answer(&self) {
        self.next.store(SWALLOW, Ordering::SeqCst);
    }

    /// The next answer of the server ends in its middle, and the connection with it.
    pub(crate) fn cut_next_answer(&self) {
        self.next.store(CUT, Ordering::SeqCst);
    }

    /// Whether an answer is still to be swallowed.
    pub(crate) fn waits_to_swallow(&self) -> bool {
        self.next.load(Ordering::SeqCst) == SWALLOW
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, server_port: u16, next: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let (mut question, mut answer) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let forwarded = tokio::select! {
            read = client.read(&mut question) => match read {
                Ok(length) if length > 0 => server.write_all(&question[..length]).await,
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(length) if length > 0 => match next.swap(FORWARD, Ordering::SeqCst) {
                    SWALLOW => return,
                    CUT => {
                        let _ = client.write_all(&answer[..length / 2]).await;
                        return;
                    }
                    _ => client.write_all(&answer[..length]).await,
                },
                _ => return,
            },
        };
        if forwarded.is_err() {
            return;
        }
    }
}
