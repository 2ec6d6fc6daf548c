//! TLS: trusted certificates and the client's own.

use std::{fmt, fs, path::PathBuf, time::Duration};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::connect_error::ConnectError;

/// The start of a certificate in PEM.
const CERTIFICATE_MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// TLS settings for `https://` endpoints. By default the system's root certificates are trusted, and the
/// client has no certificate.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    ca: Option<Pem>,
    domain_name: Option<String>,
    identity: Option<(Pem, Pem)>,
}

impl TlsSettings {
    /// Trusts the system's root certificates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts only the CA certificates in a PEM file.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::File(path.into()));
        self
    }

    /// Trusts only these CA certificates, in PEM.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(Pem::Text(pem.into()));
        self
    }

    /// The name in the server's certificate, if it differs from the host of the endpoint.
    #[must_use]
    pub fn domain_name(mut self, name: impl Into<String>) -> Self {
        self.domain_name = Some(name.into());
        self
    }

    /// Presents a client certificate (mTLS): PEM files of the chain and its private key.
    #[must_use]
    pub fn client_certificate_files(
        mut self,
        certificate: impl Into<PathBuf>,
        private_key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some((Pem::File(certificate.into()), Pem::File(private_key.into())));
        self
    }

    /// Presents a client certificate (mTLS): the chain and its private key, in PEM.
    #[must_use]
    pub fn client_certificate_pem(
        mut self,
        certificate: impl Into<Vec<u8>>,
        private_key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((Pem::Text(certificate.into()), Pem::Text(private_key.into())));
        self
    }

    /// Reads the files. A handshake has the timeout of a connection.
    pub(crate) fn load(&self, handshake_timeout: Duration) -> Result<ClientTlsConfig, ConnectError> {
        let mut config = ClientTlsConfig::new().timeout(handshake_timeout);
        config = match &self.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(ca.certificates("CA certificates")?)),
            None => config.with_native_roots(),
        };
        if let Some(name) = &self.domain_name {
            config = config.domain_name(name);
        }
        if let Some((certificate, private_key)) = &self.identity {
            let certificate = certificate.certificates("the client certificate")?;
            let private_key = private_key.read("the client's private key")?;
            config = config.identity(Identity::from_pem(certificate, private_key));
        }
        Ok(config)
    }
}

/// PEM text, or a file with it.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Text(Vec<u8>),
}

impl Pem {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, ConnectError> {
        match self {
            Self::File(path) => {
                fs::read(path).map_err(|source| ConnectError::File { what, path: path.clone(), source })
            }
            Self::Text(text) => Ok(text.clone()),
        }
    }

    /// Reads PEM that must contain a certificate: without one, every handshake would fail without a clear
    /// reason.
    fn certificates(&self, what: &'static str) -> Result<Vec<u8>, ConnectError> {
        let pem = self.read(what)?;
        if pem.windows(CERTIFICATE_MARK.len()).any(|window| window == CERTIFICATE_MARK) {
            Ok(pem)
        } else {
            Err(ConnectError::Tls(format!("{what}: {self:?} contains no PEM certificate")))
        }
    }
}

impl fmt::Debug for Pem {
    /// Shows the source and never the content, which may be a private key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Text(text) => write!(formatter, "the given text of {} bytes", text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[test]
    fn the_error_contains_the_missing_file() {
        let error = TlsSettings::new().ca_file("/nowhere/ca.pem").load(TIMEOUT).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot read CA certificates from /nowhere/ca.pem: "),
            "{error}"
        );
    }

    #[test]
    fn text_without_a_certificate_is_refused() {
        let error = TlsSettings::new().ca_pem("hello").load(TIMEOUT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid TLS settings: CA certificates: the given text of 5 bytes contains no PEM certificate"
        );
    }

    #[test]
    fn keys_are_not_shown() {
        let settings = TlsSettings::new().client_certificate_pem("certificate", "secret");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
