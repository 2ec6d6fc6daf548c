//! TLS settings. Files are read and checked at the start, so that an invalid one is reported before the first
//! connection. A server reloads its files when they change (`reload.rs`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::settings;

mod reload;

pub use self::reload::ServerTls;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// The largest file, in bytes: several times that of a bundle of all public CAs.
const MAX_FILE_SIZE: u64 = 4 * 1024 * 1024;

settings! {
    /// The certificate of a server, and whether clients need one.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ServerTlsSettings {
        /// PEM file with the server's certificate chain. Unset: TLS is disabled.
        pub cert_file: Option<PathBuf>,
        /// PEM file with the private key of that certificate.
        pub key_file: Option<PathBuf>,
        /// PEM file with the CAs of client certificates. If set, clients without a certificate are rejected (mTLS).
        pub client_ca_file: Option<PathBuf>,
    }
}

impl ServerTlsSettings {
    /// The TLS acceptor of a gRPC server; `None` if TLS is off. `table` is the table of these settings, such as
    /// `front.tls`.
    ///
    /// # Errors
    /// If a setting is missing, or a file is invalid.
    pub fn load(&self, table: &str) -> Result<Option<ServerTls>, TlsError> {
        let Some(files) = self.read(table)? else { return Ok(None) };
        ServerTls::new(self.clone(), table.to_owned(), files).map(Some)
    }

    /// The contents of the files; `None` if TLS is off.
    fn read(&self, table: &str) -> Result<Option<ServerFiles>, TlsError> {
        let tls = TlsTable { table };
        let Some(identity) = tls.identity(self.cert_file.as_deref(), self.key_file.as_deref())? else {
            return match self.client_ca_file {
                Some(_) => Err(tls.incomplete("client_ca_file", "cert_file")),
                None => Ok(None),
            };
        };
        let authorities = match &self.client_ca_file {
            Some(path) => tls.certificates("client_ca_file", path)?,
            None => Vec::new(),
        };
        Ok(Some(ServerFiles { identity, authorities }))
    }
}

/// The contents of a server's files.
#[derive(PartialEq, Eq)]
struct ServerFiles {
    identity: PemIdentity,
    /// PEM. Empty: client certificates are not required.
    authorities: Vec<u8>,
}

impl ServerFiles {
    /// HTTP/2 over TLS.
    fn config(&self, table: &str) -> Result<ServerConfig, TlsError> {
        self.try_config().map_err(|error| TlsTable { table }.mismatch(error))
    }

    fn try_config(&self) -> Result<ServerConfig, BoxedError> {
        let builder = ServerConfig::builder();
        let builder = if self.authorities.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates_in(&self.authorities)?);
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build()?)
        };
        let key = PrivateKeyDer::from_pem_slice(&self.identity.key)?;
        let mut config = builder.with_single_cert(certificates_in(&self.identity.certificates)?, key)?;
        config.alpn_protocols.push(b"h2".to_vec());
        Ok(config)
    }
}

fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

settings! {
    /// The CAs that a client trusts, and its certificate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientTlsSettings {
        /// PEM file with the CAs of the server's certificate. Unset: TLS is disabled.
        pub ca_file: Option<PathBuf>,
        /// Name in the server's certificate, if it is not the host of the URL.
        pub domain: Option<String>,
        /// PEM file with the client's certificate chain, if the server requires one (mTLS).
        pub cert_file: Option<PathBuf>,
        /// PEM file with the private key of that certificate.
        pub key_file: Option<PathBuf>,
    }
}

impl ClientTlsSettings {
    /// The TLS settings for tonic; `None` if TLS is off. `table` is the table of these settings, such as
    /// `fulfilment.tls`.
    ///
    /// # Errors
    /// If a setting is missing, or a file is invalid.
    pub fn load(&self, table: &str) -> Result<Option<ClientTlsConfig>, TlsError> {
        let tls = TlsTable { table };
        let identity = tls.identity(self.cert_file.as_deref(), self.key_file.as_deref())?;
        let Some(ca_file) = &self.ca_file else {
            return match (&identity, &self.domain) {
                (Some(_), _) => Err(tls.incomplete("cert_file", "ca_file")),
                (None, Some(_)) => Err(tls.incomplete("domain", "ca_file")),
                (None, None) => Ok(None),
            };
        };
        let authorities = Certificate::from_pem(tls.certificates("ca_file", ca_file)?);
        let mut config = ClientTlsConfig::new().ca_certificate(authorities);
        if let Some(domain) = &self.domain {
            config = config.domain_name(domain);
        }
        if let Some(identity) = identity {
            config = config.identity(Identity::from_pem(identity.certificates, identity.key));
        }
        Endpoint::from_static("https://localhost")
            .tls_config(config.clone())
            .map_err(|error| tls.mismatch(error))?;
        Ok(Some(config))
    }
}

/// A certificate chain and its key, both PEM.
#[derive(PartialEq, Eq)]
struct PemIdentity {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

/// Reads the files of a table of settings, and names its keys in errors.
struct TlsTable<'a> {
    table: &'a str,
}

impl TlsTable<'_> {
    fn identity(&self, cert: Option<&Path>, key: Option<&Path>) -> Result<Option<PemIdentity>, TlsError> {
        match (cert, key) {
            (Some(cert), Some(key)) => {
                let certificates = self.certificates("cert_file", cert)?;
                Ok(Some(PemIdentity { certificates, key: self.private_key("key_file", key)? }))
            }
            (Some(_), None) => Err(self.incomplete("cert_file", "key_file")),
            (None, Some(_)) => Err(self.incomplete("key_file", "cert_file")),
            (None, None) => Ok(None),
        }
    }

    fn certificates(&self, name: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
        let pem = self.read(name, path)?;
        let mut certificates = CertificateDer::pem_slice_iter(&pem);
        match certificates.next() {
            Some(Ok(_)) if certificates.all(|certificate| certificate.is_ok()) => Ok(pem),
            Some(_) => {
                Err(self.invalid_file(name, path, "damaged PEM: copy the whole file again".to_owned()))
            }
            None => Err(self.invalid_file(
                name,
                path,
                format!("no certificate in it, only {}: expected -----BEGIN CERTIFICATE-----", content(&pem)),
            )),
        }
    }

    fn private_key(&self, name: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
        let pem = self.read(name, path)?;
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(_) => Ok(pem),
            Err(_) => Err(self.invalid_file(
                name,
                path,
                format!(
                    "no unencrypted private key in it, only {}: expected -----BEGIN PRIVATE KEY-----",
                    content(&pem)
                ),
            )),
        }
    }

    fn read(&self, name: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
            .map_err(|error| self.invalid_file(name, path, error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE_SIZE {
            return Err(self.invalid_file(name, path, format!("larger than {MAX_FILE_SIZE} bytes")));
        }
        Ok(bytes)
    }

    fn incomplete(&self, set: &str, missing: &str) -> TlsError {
        let Self { table } = self;
        TlsError::Incomplete { set: format!("{table}.{set}"), missing: format!("{table}.{missing}") }
    }

    fn invalid_file(&self, name: &str, path: &Path, reason: String) -> TlsError {
        TlsError::InvalidFile { key: format!("{}.{name}", self.table), path: path.to_owned(), reason }
    }

    fn mismatch(&self, error: impl Into<BoxedError>) -> TlsError {
        TlsError::Mismatch { table: self.table.to_owned(), source: error.into() }
    }
}

/// The kind of a PEM file's first section, for errors.
fn content(pem: &[u8]) -> &'static str {
    match <(SectionKind, Vec<u8>)>::from_pem_slice(pem) {
        Ok((SectionKind::Certificate, _)) => "a certificate",
        Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => {
            "a private key"
        }
        Ok((SectionKind::PublicKey, _)) => "a public key",
        Ok((SectionKind::Csr, _)) => "a certificate request",
        Ok(_) => "something else",
        Err(_) => "something that is not PEM",
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A setting requires another one.
    #[error("`{set}` is set but `{missing}` is not: set both, or neither")]
    Incomplete {
        /// The key that is set.
        set: String,
        /// The key that it requires.
        missing: String,
    },
    /// A file is invalid.
    #[error("invalid TLS file {}, set in `{key}`: {reason}", .path.display())]
    InvalidFile {
        /// The file's key.
        key: String,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The files are valid but do not match.
    #[error("the files of `{table}` do not match: check that the private key belongs to the certificate")]
    Mismatch {
        /// The table of the settings.
        table: String,
        /// The error of the TLS library.
        source: BoxedError,
    },
}

#[cfg(test)]
mod tests;
