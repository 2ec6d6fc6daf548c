//! A proxy that can swallow an answer and break the connection, as a network does at the worst moment.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const BUFFER: usize = 64 * 1024;

pub(crate) struct Proxy {
    port: u16,
    swallow: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to a server's port on 127.0.0.1.
    pub(crate) async fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let swallow = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&swallow);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server_port, Arc::clone(&flag)));
            }
        });
        Self { port, swallow, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next answer of the server is lost, and the connection with it.
    pub(crate) fn swallow_next_answer(&self) {
        self.swallow.store(true, Ordering::SeqCst);
    }

    /// Whether an answer is still to be swallowed.
    pub(crate) fn waits_to_swallow(&self) -> bool {
        self.swallow.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, server_port: u16, swallow: Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let (mut question, mut answer) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let forwarded = tokio::select! {
            read = client.read(&mut question) => match read {
                Ok(length) if length > 0 => server.write_all(&question[..length]).await,
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(length) if length > 0 && !swallow.swap(false, Ordering::SeqCst) => client.write_all(&answer[..length]).await,
                _ => return,
            },
        };
        if forwarded.is_err() {
            return;
        }
    }
}
