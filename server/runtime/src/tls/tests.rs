use std::net::SocketAddr;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// A CA with certificates for a server named `inrush.test` and for a client.
pub(super) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: tempfile::tempdir().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        authority.issue("server");
        authority.issue("client");
        authority
    }

    fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["inrush.test".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Replaces a file by that of another CA.
    pub(super) fn replace(&self, name: &str, other: &Self) {
        std::fs::copy(other.folder.path().join(name), self.folder.path().join(name)).unwrap();
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    pub(super) fn server(&self, client_ca: Option<&str>) -> ServerTlsSettings {
        ServerTlsSettings {
            cert_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            client_ca_file: client_ca.and_then(|name| self.path(name)),
        }
    }

    pub(super) fn client(&self, identity: bool) -> ClientTlsSettings {
        ClientTlsSettings {
            ca_file: self.path("ca.pem"),
            domain: Some("inrush.test".to_owned()),
            cert_file: self.path("client.pem").filter(|_| identity),
            key_file: self.path("client.key").filter(|_| identity),
        }
    }
}

/// A TLS server that runs until it is dropped.
pub(super) struct TestServer {
    address: SocketAddr,
    _stop_on_drop: DropGuard,
}

impl TestServer {
    pub(super) async fn start(tls: ServerTls) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (_, health) = tonic_health::server::health_reporter();
        let encrypted = TcpListenerStream::new(listener)
            .then(move |stream| tls.accept(stream.unwrap()))
            // A failed handshake ends the connection.
            .filter(Result::is_ok);
        let server = Server::builder().add_service(health);
        tokio::spawn(server.serve_with_incoming_shutdown(encrypted, stop.clone().cancelled_owned()));
        Self { address, _stop_on_drop: stop.drop_guard() }
    }

    /// Whether a client with these settings gets an answer.
    pub(super) async fn answers(&self, client: &ClientTlsSettings) -> bool {
        let endpoint = Channel::from_shared(format!("https://{}", self.address))
            .unwrap()
            .tls_config(client.load("client.tls").unwrap().unwrap())
            .unwrap();
        let channel = endpoint.connect_lazy();
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok()
    }
}

/// Whether a client with these settings gets a response from a server with those.
async fn connects(server: &ServerTlsSettings, client: &ClientTlsSettings) -> bool {
    TestServer::start(server.load("front.tls").unwrap().unwrap()).await.answers(client).await
}

#[tokio::test]
async fn clients_and_servers_authenticate_each_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    assert!(connects(&ours.server(None), &ours.client(false)).await, "server certificate only");
    assert!(!connects(&ours.server(None), &theirs.client(false)).await, "a server of an unknown authority");
    let mutual = ours.server(Some("ca.pem"));
    assert!(connects(&mutual, &ours.client(true)).await, "both certificates");
    assert!(!connects(&mutual, &ours.client(false)).await, "a client without a certificate");
    let stranger = ClientTlsSettings { ca_file: ours.path("ca.pem"), ..theirs.client(true) };
    assert!(!connects(&mutual, &stranger).await, "a client of an unknown authority");
}

#[test]
fn tls_is_off_by_default() {
    assert!(ServerTlsSettings::default().load("front.tls").unwrap().is_none());
    assert!(ClientTlsSettings::default().load("client.tls").unwrap().is_none());
}

#[test]
fn an_incomplete_table_names_the_missing_key() {
    let path = || Some(PathBuf::from("x.pem"));
    let server = [
        (ServerTlsSettings { cert_file: path(), ..Default::default() }, "`front.tls.key_file` is not"),
        (ServerTlsSettings { key_file: path(), ..Default::default() }, "`front.tls.cert_file` is not"),
        (ServerTlsSettings { client_ca_file: path(), ..Default::default() }, "`front.tls.cert_file` is not"),
    ];
    for (settings, text) in server {
        let message = settings.load("front.tls").map(drop).unwrap_err().to_string();
        assert!(message.contains(text), "{message}");
    }
    let authority = Authority::new();
    let client = [
        (
            ClientTlsSettings { domain: Some("inrush.test".to_owned()), ..Default::default() },
            "`a.tls.ca_file` is not",
        ),
        (
            ClientTlsSettings { ca_file: None, domain: None, ..authority.client(true) },
            "`a.tls.ca_file` is not",
        ),
    ];
    for (settings, text) in client {
        let message = settings.load("a.tls").unwrap_err().to_string();
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn errors_name_the_file_and_what_it_contains() {
    let authority = Authority::new();
    authority.write("broken.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");
    authority.write("empty.pem", "");
    let load = |cert: &str, key: &str| {
        let settings = ServerTlsSettings {
            cert_file: authority.path(cert),
            key_file: authority.path(key),
            client_ca_file: None,
        };
        settings.load("front.tls").map(drop).unwrap_err().to_string()
    };
    for (cert, key, text) in [
        ("nowhere.pem", "server.key", "No such file"),
        ("server.key", "server.key", "no certificate in it, only a private key"),
        ("empty.pem", "server.key", "no certificate in it, only something that is not PEM"),
        ("broken.pem", "server.key", "damaged PEM"),
        ("server.pem", "server.pem", "no unencrypted private key in it, only a certificate"),
        ("server.pem", "client.key", "the files of `front.tls` do not match"),
    ] {
        let message = load(cert, key);
        assert!(message.contains(text), "{message}");
        assert!(message.contains("front.tls"), "{message}");
    }
}
