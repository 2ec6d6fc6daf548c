//! TLS with rustls.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _};

use crate::endpoint::{Endpoint, TlsOptions};
use crate::error::Error;

/// Opens TLS connections to a server.
#[derive(Clone)]
pub struct TlsConnector {
    pub(super) connector: tokio_rustls::TlsConnector,
    pub(super) server_name: ServerName<'static>,
}

impl TlsConnector {
    /// `None` for an endpoint in plain text.
    ///
    /// # Errors
    /// When a certificate, a key or the server's name cannot be used.
    pub fn of(endpoint: &Endpoint) -> Result<Option<Self>, Error> {
        let Some(options) = &endpoint.tls else { return Ok(None) };
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Error::new(format!("TLS cannot be used: {error}"), "this is a bug in the build: report it")
            })?;
        let builder = if options.skip_verification {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(authorities(options)?)
        };
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let (chain, key) = identity(chain, key)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Error::new(
                        format!("--cert and --key cannot be used together: {error}"),
                        "give the certificate and the private key that was made for it, both in PEM",
                    )
                })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = options.server_name.as_ref().unwrap_or(&endpoint.host);
        let server_name = ServerName::try_from(name.clone()).map_err(|_| {
            Error::new(format!("{name:?} is not a valid name in a certificate"), "pass one with --cname")
        })?;
        Ok(Some(Self { connector: tokio_rustls::TlsConnector::from(Arc::new(config)), server_name }))
    }
}

fn authorities(options: &TlsOptions) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match &options.authorities {
        Some(pem) => {
            for certificate in certificates("--cacert", pem)? {
                roots.add(certificate).map_err(|error| {
                    Error::new(
                        format!("a certificate in --cacert cannot be trusted: {error}"),
                        "give authorities' certificates in PEM",
                    )
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::new(
                    "this system has no trusted certificate authorities",
                    "name one with --cacert FILE, use --skipTLS to take any certificate, or --insecure for plain text",
                ));
            }
        }
    }
    Ok(roots)
}

fn identity(chain: &str, key: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| {
        Error::new(format!("--key holds no private key: {error}"), "give a private key in PEM, not encrypted")
    })?;
    Ok((certificates("--cert", chain)?, key))
}

fn certificates(flag: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let remedy = "give certificates in PEM: they begin with -----BEGIN CERTIFICATE-----";
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::new(format!("{flag} is not in PEM: {error}"), remedy))?;
    if found.is_empty() {
        return Err(Error::new(format!("{flag} holds no certificate"), remedy));
    }
    Ok(found)
}

/// Takes any certificate: for `--skipTLS`. Signatures are checked, names and authorities are not.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
