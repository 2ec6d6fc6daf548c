//! A server for all services in `tests/protos` that records its calls.
//!
//! Its answer depends on the `name` in a message: an error for `fail`, none for `wait`, an endless stream for `forever`, and
//! a greeting for any other.

mod codec;
mod folder;
mod service;
mod tls;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use http::HeaderMap;
use parking_lot::Mutex;
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

/// A recorded call.
#[derive(Debug, Clone)]
pub(crate) struct RecordedCall {
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
    pub(crate) messages: Vec<Value>,
    pub(crate) peer: Option<SocketAddr>,
}

/// The settings of a server.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// With TLS.
    pub(crate) tls: Option<&'a Certificates>,
    /// Require a client certificate.
    pub(crate) mutual: bool,
    /// Number of concurrent calls that are required before any is answered.
    pub(crate) gather: u64,
    /// The versions of the reflection service.
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

/// A server on a runtime of its own. Dropping it stops the server.
pub(crate) struct DynamicServer {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
    _runtime: Runtime,
}

/// The log of a server.
pub(crate) struct Log {
    calls: Mutex<Vec<RecordedCall>>,
    /// The current and the maximum number of concurrent calls.
    concurrent: Mutex<(u64, u64)>,
    gather: u64,
    gathered: watch::Sender<bool>,
}

impl DynamicServer {
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log {
            calls: Mutex::default(),
            concurrent: Mutex::default(),
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

    /// All calls, in the order in which their requests were completed.
    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        self.log.calls.lock().clone()
    }

    /// The maximum number of concurrent calls.
    pub(crate) fn max_concurrent(&self) -> u64 {
        self.log.concurrent.lock().1
    }

    /// Number of connections that calls used.
    pub(crate) fn connections(&self) -> usize {
        self.calls().iter().map(|call| call.peer).collect::<BTreeSet<_>>().len()
    }
}

impl Log {
    fn record(&self, call: RecordedCall) {
        self.calls.lock().push(call);
    }

    /// Counts a call and waits for the required concurrent ones.
    async fn begin_call(&self) {
        let now = {
            let mut concurrent = self.concurrent.lock();
            concurrent.0 += 1;
            concurrent.1 = concurrent.1.max(concurrent.0);
            concurrent.0
        };
        if now >= self.gather {
            self.gathered.send_replace(true);
        }
        self.gathered.subscribe().wait_for(|gathered| *gathered).await.unwrap();
    }

    fn end_call(&self) {
        self.concurrent.lock().0 -= 1;
    }
}

fn reflection(versions: &Versions) -> Routes {
    let builder = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(descriptors())
            .include_reflection_service(false)
    };
    let mut routes = Routes::default();
    if *versions == Versions::Both {
        routes = routes.add_service(builder().build_v1().unwrap());
    }
    if *versions != Versions::None {
        routes = routes.add_service(builder().build_v1alpha().unwrap());
    }
    routes
}

/// The encoded definitions.
fn descriptors() -> &'static [u8] {
    static DESCRIPTORS: OnceLock<Vec<u8>> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| compiled().encode_to_vec())
}
