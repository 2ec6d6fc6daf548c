//! A server's certificate, which is taken in anew when its files change: certificates live for weeks, and nodes for longer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::{Accept, TlsAcceptor};

use super::{ServerFiles, ServerTlsSettings, TlsError};

/// How often the files are looked at. Whoever renews certificates does it days before their end.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What encrypts the connections of a server. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ServerTlsSettings,
    /// Where the settings stand, for errors.
    table: String,
    /// What the files held when they were read last and fitted together.
    files: Mutex<ServerFiles>,
    config: ArcSwap<ServerConfig>,
}

impl ServerTls {
    pub(super) fn new(
        settings: ServerTlsSettings,
        table: String,
        files: ServerFiles,
    ) -> Result<Self, TlsError> {
        let config = ArcSwap::from_pointee(files.config(&table)?);
        Ok(Self { shared: Arc::new(Shared { settings, table, files: Mutex::new(files), config }) })
    }

    /// Shakes hands with a client, by the certificate of now. Connections that are open keep theirs.
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        TlsAcceptor::from(self.shared.config.load_full()).accept(stream)
    }

    /// Takes renewed files in, for ever. Files that cannot be used are told of, and the old ones go on.
    pub async fn follow(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let shared = Arc::clone(&self.shared);
            match spawn_blocking(move || shared.renew()).await {
                Ok(Ok(true)) => tracing::info!("the TLS certificate was renewed"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::warn!("the TLS certificate stays as it is, its files cannot be used: {error}");
                }
            }
        }
    }
}

impl Shared {
    /// Whether there was something new.
    fn renew(&self) -> Result<bool, TlsError> {
        let Some(read) = self.settings.read(&self.table)? else { return Ok(false) };
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if *files == read {
            return Ok(false);
        }
        self.config.store(Arc::new(read.config(&self.table)?));
        *files = read;
        Ok(true)
    }
}

/// Without the files, which hold the private key.
impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::tls::tests::{Answering, Authority};

    #[tokio::test]
    async fn a_renewed_certificate_is_taken_in_and_a_wrong_one_is_not() {
        let (old, new) = (Authority::new(), Authority::new());
        let tls = old.server(None).load("front.tls").unwrap().unwrap();
        let server = Answering::start(tls.clone()).await;
        assert!(!tls.shared.renew().unwrap(), "nothing has changed");
        // The key comes a moment after the certificate.
        old.take("server.pem", &new);
        let error = tls.shared.renew().unwrap_err().to_string();
        assert!(error.contains("front.tls"), "{error}");
        assert!(server.answers(&old.client(false)).await, "the old one goes on");
        old.take("server.key", &new);
        assert!(tls.shared.renew().unwrap());
        assert!(!server.answers(&old.client(false)).await);
        assert!(server.answers(&new.client(false)).await);
    }
}
