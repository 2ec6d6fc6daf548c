//! TLS: trusted certificates and the client's own.

use std::{fs, sync::Arc};

use inrush_client::{CallError, Client, ClientSettings, ConnectError, RetryPolicy, Ticket, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::fake::{Answer, Fake, TcpServer, waiting};

/// A certificate authority made for one test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name` and its private key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self, name: &str) -> ServerTlsConfig {
        let (certificate, key) = self.issue(name);
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    }
}

fn answering() -> Arc<Fake> {
    Arc::new(Fake::default().poll(|_, _| Answer::Say(waiting(1, 1))))
}

fn settings(server: &TcpServer, tls: TlsSettings) -> ClientSettings {
    ClientSettings::new(format!("https://localhost:{}", server.address().port())).tls(tls)
}

#[tokio::test]
async fn the_configured_ca_is_trusted_from_a_file_or_text() {
    let authority = Authority::new("shop");
    let server = TcpServer::start_secure(&answering(), authority.server("localhost"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();
    for tls in [TlsSettings::new().ca_file(file), TlsSettings::new().ca_pem(authority.pem())] {
        let client = Client::connect(settings(&server, tls)).await.unwrap();
        client.poll(&Ticket::from("t")).await.unwrap();
    }
    server.kill();
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_reported_as_such() {
    let server = TcpServer::start_secure(&answering(), Authority::new("shop").server("localhost"));
    let advice = "the server's certificate was not issued by the configured CA";
    for other in [Authority::new("elsewhere"), Authority::new("shop")] {
        let tls = TlsSettings::new().ca_pem(other.pem());
        let error = Client::connect(settings(&server, tls.clone())).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(advice), "{error}");

        let lazy = Client::lazy(settings(&server, tls).retry(RetryPolicy::never())).unwrap();
        let error = lazy.poll(&Ticket::from("t")).await.unwrap_err();
        assert!(matches!(&error, CallError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains(advice), "{error}");
    }
    server.kill();
}

#[tokio::test]
async fn the_certificate_must_have_the_expected_name() {
    let authority = Authority::new("shop");
    let server = TcpServer::start_secure(&answering(), authority.server("inrush.internal"));
    let tls = TlsSettings::new().ca_pem(authority.pem());
    let error = Client::connect(settings(&server, tls.clone())).await.unwrap_err();
    assert!(error.to_string().contains("set the TLS domain name"), "{error}");
    Client::connect(settings(&server, tls.domain_name("inrush.internal"))).await.unwrap();
    server.kill();
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let (authority, clients) = (Authority::new("shop"), Authority::new("callers"));
    let tls = authority.server("localhost").client_ca_root(Certificate::from_pem(clients.pem()));
    let server = TcpServer::start_secure(&answering(), tls);
    let trusting = TlsSettings::new().ca_pem(authority.pem());
    let once = |tls| settings(&server, tls).retry(RetryPolicy::never());

    let (certificate, key) = clients.issue("shop-bff");
    let known = once(trusting.clone().client_certificate_pem(certificate, key));
    Client::lazy(known).unwrap().poll(&Ticket::from("t")).await.unwrap();

    let nameless = Client::lazy(once(trusting)).unwrap();
    let error = nameless.poll(&Ticket::from("t")).await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable(_)), "{error:?}");
    server.kill();
}
