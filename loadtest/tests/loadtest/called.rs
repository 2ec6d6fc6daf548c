//! A server for everything in `tests/protos`, and what it saw.
//!
//! What it answers depends on the `name` in a message: it fails for `fail`, never answers for `wait`, and sends without
//! end for `forever`. Anybody else is greeted.

mod codec;
mod folder;
mod service;
mod tls;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
};

use http::HeaderMap;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    service::Routes,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tonic_reflection::server::Builder as Reflection;

pub(crate) use folder::{Folder, compiled};
use service::Dynamic;
pub(crate) use tls::Certificates;

/// What a server saw of one call.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
    pub(crate) messages: Vec<Value>,
    pub(crate) peer: Option<SocketAddr>,
}

/// How a server is to be.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// With TLS.
    pub(crate) tls: Option<&'a Certificates>,
    /// It takes only clients with a certificate.
    pub(crate) mutual: bool,
    /// No call is answered until so many are there at once.
    pub(crate) gather: u64,
    /// Which versions of reflection it has.
    pub(crate) reflection: Versions,
}

/// Versions of the reflection service.
#[derive(Default, PartialEq, Eq)]
pub(crate) enum Versions {
    #[default]
    Both,
    OnlyAlpha,
    None,
}

/// A server on a runtime of its own. Stops when it is dropped.
pub(crate) struct Called {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
    _runtime: Runtime,
}

/// What a server notes.
pub(crate) struct Log {
    calls: Mutex<Vec<Seen>>,
    at_once: Mutex<(u64, u64)>,
    gather: u64,
    gathered: watch::Sender<bool>,
}

impl Called {
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log {
            calls: Mutex::default(),
            at_once: Mutex::default(),
            gather: setup.gather,
            gathered: watch::Sender::new(setup.gather == 0),
        });
        let pool = compiled();
        let mut server = Server::builder();
        if let Some(certificates) = setup.tls {
            let identity = Identity::from_pem(&certificates.server.0, &certificates.server.1);
            let mut tls = ServerTlsConfig::new().identity(identity);
            if setup.mutual {
                tls = tls.client_ca_root(Certificate::from_pem(&certificates.authority));
            }
            server = server.tls_config(tls).unwrap();
        }
        let router = reflection(&setup.reflection)
            .into_axum_router()
            .fallback_service(Dynamic { pool, log: Arc::clone(&log) });
        let serving = server.add_routes(Routes::from(router));
        runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, log, _runtime: runtime }
    }

    /// All calls, in the order in which their requests were complete.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.log.calls.lock().unwrap().clone()
    }

    /// The most calls that were there at once.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.log.at_once.lock().unwrap().1
    }

    /// How many connections calls came over.
    pub(crate) fn connections(&self) -> usize {
        self.calls().iter().map(|call| call.peer).collect::<BTreeSet<_>>().len()
    }
}

impl Log {
    fn note(&self, seen: Seen) {
        self.calls.lock().unwrap().push(seen);
    }

    /// A call is there: it waits for the others.
    async fn arrive(&self) {
        let now = {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
            at_once.0
        };
        if now >= self.gather {
            self.gathered.send_replace(true);
        }
        self.gathered.subscribe().wait_for(|gathered| *gathered).await.unwrap();
    }

    fn leave(&self) {
        self.at_once.lock().unwrap().0 -= 1;
    }
}

fn reflection(versions: &Versions) -> Routes {
    let described = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(descriptors())
            .include_reflection_service(false)
    };
    let mut routes = Routes::default();
    if *versions == Versions::Both {
        routes = routes.add_service(described().build_v1().unwrap());
    }
    if *versions != Versions::None {
        routes = routes.add_service(described().build_v1alpha().unwrap());
    }
    routes
}

/// The definitions, encoded. They live as long as the tests.
fn descriptors() -> &'static [u8] {
    static DESCRIPTORS: OnceLock<Vec<u8>> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| compiled().encode_to_vec())
}
