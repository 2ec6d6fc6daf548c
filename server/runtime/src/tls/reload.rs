//! Reloads a server's certificate when its files change: a process can run longer than a certificate is valid.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::{Accept, TlsAcceptor};

use super::{ServerFiles, ServerTlsSettings, TlsError};

/// How often the files are read. Certificates are renewed days before they expire.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// The TLS acceptor of a server. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ServerTlsSettings,
    /// The table of the settings, for errors.
    table: String,
    /// The contents of the files that are in use.
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

    /// Starts a handshake with the current certificate. Open connections keep theirs.
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        TlsAcceptor::from(self.shared.config.load_full()).accept(stream)
    }

    /// Reloads changed files, without end. Invalid files are logged, and the current ones stay in use.
    pub async fn watch_files(&self) {
        loop {
            sleep(RELOAD_INTERVAL).await;
            let shared = Arc::clone(&self.shared);
            match spawn_blocking(move || shared.reload()).await {
                Ok(Ok(true)) => tracing::info!("TLS certificate reloaded"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot reload the TLS certificate, the current one stays in use");
                }
            }
        }
    }
}

impl Shared {
    /// Whether the files had changed.
    fn reload(&self) -> Result<bool, TlsError> {
        let Some(read) = self.settings.read(&self.table)? else { return Ok(false) };
        let mut files = self.files.lock();
        if *files == read {
            return Ok(false);
        }
        self.config.store(Arc::new(read.config(&self.table)?));
        *files = read;
        Ok(true)
    }
}

/// Without the files: they contain the private key.
impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::tls::tests::{Authority, TestServer};

    #[tokio::test]
    async fn a_renewed_certificate_is_loaded_and_an_invalid_one_is_not() {
        let (old, new) = (Authority::new(), Authority::new());
        let tls = old.server(None).load("front.tls").unwrap().unwrap();
        let server = TestServer::start(tls.clone()).await;
        assert!(!tls.shared.reload().unwrap(), "the files have not changed");
        // The key does not match yet.
        old.replace("server.pem", &new);
        let error = tls.shared.reload().unwrap_err().to_string();
        assert!(error.contains("front.tls"), "{error}");
        assert!(server.answers(&old.client(false)).await, "the current certificate stays in use");
        old.replace("server.key", &new);
        assert!(tls.shared.reload().unwrap());
        assert!(!server.answers(&old.client(false)).await);
        assert!(server.answers(&new.client(false)).await);
    }
}
