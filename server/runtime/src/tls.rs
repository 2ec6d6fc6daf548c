//! TLS settings, read and checked before anything is served, so that a wrong file is named at the start and not at the
//! first connection. A server follows its files when they are renewed (`renewal.rs`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

mod renewal;

pub use self::renewal::ServerTls;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// The longest file that is read, in bytes: room for a bundle of all public authorities several times over.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// How a server proves who it is, and whether its clients must.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTlsSettings {
    /// The server's certificate chain, PEM. Unset: no TLS.
    pub cert_file: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// The authorities whose clients are let in, PEM. Set: clients without a certificate are turned away (mTLS).
    pub client_ca_file: Option<PathBuf>,
}

impl ServerTlsSettings {
    /// What encrypts the connections of a gRPC server; none if TLS is off. `table` is where these settings stand, such as
    /// `front.tls`.
    ///
    /// # Errors
    /// If settings are missing, or a file does not hold what it should.
    pub fn load(&self, table: &str) -> Result<Option<ServerTls>, TlsError> {
        let Some(files) = self.read(table)? else { return Ok(None) };
        ServerTls::new(self.clone(), table.to_owned(), files).map(Some)
    }

    /// What the files hold; none if TLS is off.
    fn read(&self, table: &str) -> Result<Option<ServerFiles>, TlsError> {
        let keys = TableOfKeys { table };
        let Some(identity) = keys.identity(self.cert_file.as_deref(), self.key_file.as_deref())? else {
            return match self.client_ca_file {
                Some(_) => Err(keys.incomplete("client_ca_file", "cert_file")),
                None => Ok(None),
            };
        };
        let authorities = match &self.client_ca_file {
            Some(path) => keys.certificates("client_ca_file", path)?,
            None => Vec::new(),
        };
        Ok(Some(ServerFiles { identity, authorities }))
    }
}

/// What a server's files hold.
#[derive(PartialEq, Eq)]
struct ServerFiles {
    identity: PemIdentity,
    /// PEM; without any, every client is let in.
    authorities: Vec<u8>,
}

impl ServerFiles {
    /// HTTP/2 over TLS.
    fn config(&self, table: &str) -> Result<ServerConfig, TlsError> {
        self.try_config().map_err(|error| TableOfKeys { table }.mismatch(error))
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

/// Whom a client trusts, and how it proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTlsSettings {
    /// The authorities that vouch for the server, PEM. Unset: no TLS.
    pub ca_file: Option<PathBuf>,
    /// The name in the server's certificate, where it is not the host of the address that is called.
    pub domain: Option<String>,
    /// The client's own certificate chain, PEM, for servers that want one (mTLS).
    pub cert_file: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    pub key_file: Option<PathBuf>,
}

impl ClientTlsSettings {
    /// What tonic connects with; none if TLS is off. `table` is where these settings stand, such as
    /// `fulfilment.orders.tls`.
    ///
    /// # Errors
    /// If settings are missing, or a file does not hold what it should.
    pub fn load(&self, table: &str) -> Result<Option<ClientTlsConfig>, TlsError> {
        let keys = TableOfKeys { table };
        let identity = keys.identity(self.cert_file.as_deref(), self.key_file.as_deref())?;
        let Some(ca_file) = &self.ca_file else {
            return match (&identity, &self.domain) {
                (Some(_), _) => Err(keys.incomplete("cert_file", "ca_file")),
                (None, Some(_)) => Err(keys.incomplete("domain", "ca_file")),
                (None, None) => Ok(None),
            };
        };
        let authorities = Certificate::from_pem(keys.certificates("ca_file", ca_file)?);
        let mut config = ClientTlsConfig::new().ca_certificate(authorities);
        if let Some(domain) = &self.domain {
            config = config.domain_name(domain);
        }
        if let Some(identity) = identity {
            config = config.identity(Identity::from_pem(identity.certificates, identity.key));
        }
        Endpoint::from_static("https://localhost")
            .tls_config(config.clone())
            .map_err(|error| keys.mismatch(error))?;
        Ok(Some(config))
    }
}

/// A certificate chain and its key, both PEM.
#[derive(PartialEq, Eq)]
struct PemIdentity {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

/// The table that the settings stand in, for errors that name its keys.
struct TableOfKeys<'a> {
    table: &'a str,
}

impl TableOfKeys<'_> {
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
                Err(self.wrong_file(name, path, "its PEM is damaged: copy the file again, whole".to_owned()))
            }
            None => Err(self.wrong_file(
                name,
                path,
                format!(
                    "it holds no certificate, only {}: it must begin with -----BEGIN CERTIFICATE-----",
                    content(&pem)
                ),
            )),
        }
    }

    fn private_key(&self, name: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
        let pem = self.read(name, path)?;
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(_) => Ok(pem),
            Err(_) => Err(self.wrong_file(
                name,
                path,
                format!("it holds no private key without a password, only {}: it must begin with -----BEGIN PRIVATE KEY-----", content(&pem)),
            )),
        }
    }

    fn read(&self, name: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| self.wrong_file(name, path, error.to_string()))?;
        if bytes.len() as u64 > LONGEST_FILE {
            return Err(self.wrong_file(name, path, format!("it is longer than {LONGEST_FILE} bytes")));
        }
        Ok(bytes)
    }

    fn incomplete(&self, set: &str, missing: &str) -> TlsError {
        let Self { table } = self;
        TlsError::Incomplete { set: format!("{table}.{set}"), missing: format!("{table}.{missing}") }
    }

    fn wrong_file(&self, name: &str, path: &Path, reason: String) -> TlsError {
        TlsError::WrongFile { key: format!("{}.{name}", self.table), path: path.to_owned(), reason }
    }

    fn mismatch(&self, error: impl Into<BoxedError>) -> TlsError {
        TlsError::Mismatch { table: self.table.to_owned(), source: error.into() }
    }
}

/// What a PEM file holds instead of what was looked for.
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

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One setting needs another.
    #[error("`{set}` is set and `{missing}` is not: set both for TLS, or neither")]
    Incomplete {
        /// The key that is set.
        set: String,
        /// The key that it needs.
        missing: String,
    },
    /// A file does not hold what it should.
    #[error("`{key}` names {}, which cannot be used: {reason}", .path.display())]
    WrongFile {
        /// The file's key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each file is fine, and together they are not.
    #[error(
        "the files of `{table}` do not fit together: check that the private key belongs to the certificate"
    )]
    Mismatch {
        /// The table of the settings.
        table: String,
        /// What TLS says.
        source: BoxedError,
    },
}

#[cfg(test)]
mod tests;
