//! A wire to the front that can be cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
};

/// Passes connections on, until they are cut.
pub(crate) struct Cut {
    address: SocketAddr,
    cuts: watch::Sender<u32>,
    _runtime: Runtime,
}

impl Cut {
    pub(crate) fn in_front_of(front: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let cuts = watch::Sender::new(0);
        let (front, cut) = (front.to_owned(), cuts.subscribe());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, front.clone(), cut.clone()));
            }
        });
        Self { address, cuts, _runtime: runtime }
    }

    pub(crate) fn front(&self) -> String {
        self.address.to_string()
    }

    /// Cuts all connections. New ones can be made.
    pub(crate) fn all(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass(mut client: TcpStream, front: String, mut cut: watch::Receiver<u32>) {
    cut.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(front).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cut.changed() => {}
    }
}
