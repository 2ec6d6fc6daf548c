//! The stores under test, each with a clock that the test advances.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use inrush_core::{
    sale::SaleId,
    store::Store,
    time::{Clock, ManualClock},
};
use inrush_store::{
    conformance,
    memory::{Checkpoint, MemoryStore},
    redis::{RedisSettings, RedisStore, ScriptSources, USER_RULES},
};

use parking_lot::Mutex;

use crate::redis_server::{RedisCluster, RedisServer};

/// The cluster's slots are shared evenly among its three servers.
const SLOTS_OF_A_SERVER: u16 = 16_384_u16.div_ceil(3);

/// The response timeout on a machine that is busy with other tests.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

/// The keys of all sales.
const ALL_KEYS: &str = "inrush:{*";

/// The servers of a store.
pub(crate) enum Backend {
    Memory(MemoryBackend),
    Redis(RedisServer),
    Cluster(RedisCluster),
}

/// The memory store under test, and its last checkpoint.
#[derive(Default)]
pub(crate) struct MemoryBackend {
    store: Mutex<Option<Arc<MemoryStore>>>,
    checkpoint: Mutex<Option<Checkpoint>>,
}

/// Copies of a checkpoint's keys have this before their names.
const COPY: &str = "copy:";

/// Keeps all keys that match `pattern`.
pub(crate) async fn checkpoint(server: &RedisServer, pattern: &str) {
    delete(server, &format!("{COPY}{pattern}")).await;
    let copies = keys(server, pattern).await.into_iter().map(|key| {
        let copy = format!("{COPY}{key}");
        vec!["COPY".to_owned(), key, copy]
    });
    server.commands(copies).await;
}

/// Puts the keys back that [`checkpoint`] has kept, and deletes the others that match.
pub(crate) async fn roll_back(server: &RedisServer, pattern: &str) {
    delete(server, pattern).await;
    let copies = keys(server, &format!("{COPY}{pattern}")).await.into_iter().map(|copy| {
        let key = copy.trim_start_matches(COPY).to_owned();
        vec!["COPY".to_owned(), copy, key]
    });
    server.commands(copies).await;
}

/// Makes the sales look as if another history had written them: the history is the second number of the record.
pub(crate) async fn restart(server: &RedisServer, pattern: &str) {
    for key in keys(server, pattern).await {
        if key.ends_with("}:sale") {
            server.command::<i64>(&["SETRANGE", &key, "8", "\0\0\0\0\0\0\0\0"]).await;
        } else if key.ends_with("}:marker") {
            server.command::<i64>(&["DEL", &key]).await;
        }
    }
}

async fn keys(server: &RedisServer, pattern: &str) -> Vec<String> {
    server.command(&["KEYS", pattern]).await
}

/// Deletes all keys that match `pattern`.
pub(crate) async fn delete(server: &RedisServer, pattern: &str) {
    let deletions = keys(server, pattern).await.into_iter().map(|key| vec!["DEL".to_owned(), key]);
    server.commands(deletions).await;
}

/// These servers have no replicas to wait for.
const NO_REPLICA: Duration = Duration::from_millis(1);

/// A store on a Redis server, running these scripts.
pub(crate) async fn connect(url: &str, clock: &ManualClock, scripts: ScriptSources) -> Arc<dyn Store> {
    let clock = Clock::Manual(clock.clone());
    let (response_timeout, connect_timeout) = (LONG_TIMEOUT, LONG_TIMEOUT);
    let settings = RedisSettings {
        clock,
        scripts,
        response_timeout,
        connect_timeout,
        replication_timeout: NO_REPLICA,
        ..RedisSettings::new(url)
    };
    RedisStore::connect(settings).await.expect("a local server can be reached")
}

#[async_trait]
impl conformance::Backend for Backend {
    async fn empty_store(&self, clock: &ManualClock) -> Arc<dyn Store> {
        for server in self.servers() {
            server.command::<()>(&["FLUSHALL"]).await;
            let words = ["ACL", "SETUSER", "app", "on", ">secret"];
            let rules: Vec<&str> = words.into_iter().chain(USER_RULES.split(' ')).collect();
            server.command::<()>(&rules).await;
        }
        let url = match self {
            Self::Memory(memory) => {
                let store = MemoryStore::new(Clock::Manual(clock.clone()));
                *memory.store.lock() = Some(Arc::clone(&store));
                return store;
            }
            Self::Redis(server) => server.url(),
            Self::Cluster(cluster) => cluster.url(),
        };
        // The documented rights suffice for every operation.
        connect(&url.replace("://", "://app:secret@"), clock, ScriptSources::bundled()).await
    }

    async fn flush_caches(&self) {
        for server in self.servers() {
            server.command::<()>(&["SCRIPT", "FLUSH"]).await;
        }
    }

    async fn checkpoint(&self) {
        if let Self::Memory(memory) = self {
            *memory.checkpoint.lock() = memory.store.lock().as_ref().map(|store| store.checkpoint());
        }
        for server in self.servers() {
            checkpoint(server, ALL_KEYS).await;
        }
    }

    async fn roll_back(&self) {
        if let Self::Memory(memory) = self
            && let (Some(store), Some(checkpoint)) = (&*memory.store.lock(), &*memory.checkpoint.lock())
        {
            store.roll_back(checkpoint);
        }
        for server in self.servers() {
            roll_back(server, ALL_KEYS).await;
        }
    }

    async fn restart(&self) {
        if let Self::Memory(memory) = self
            && let Some(store) = &*memory.store.lock()
        {
            store.restart();
        }
        for server in self.servers() {
            restart(server, ALL_KEYS).await;
        }
    }

    async fn keys_with(&self, part: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for server in self.servers() {
            keys.extend(server.command::<Vec<String>>(&["KEYS", &format!("*{part}*")]).await);
        }
        keys
    }

    async fn neighbour_of(&self, sale: &SaleId, name: &str) -> SaleId {
        let home = self.server_of(sale).await;
        for number in 0..100 {
            let neighbour = format!("{name}-{number}").parse().expect("a sale's id");
            if self.server_of(&neighbour).await == home {
                return neighbour;
            }
        }
        panic!("a hundred sales all live on other servers than {sale}");
    }
}

impl Backend {
    /// The index of the server that has `sale`.
    async fn server_of(&self, sale: &SaleId) -> usize {
        match self {
            Self::Memory(_) | Self::Redis(_) => 0,
            Self::Cluster(cluster) => {
                let tag = format!("{{{sale}}}");
                let slot: u16 = cluster.nodes()[0].command(&["CLUSTER", "KEYSLOT", &tag]).await;
                usize::from(slot / SLOTS_OF_A_SERVER)
            }
        }
    }

    fn servers(&self) -> &[RedisServer] {
        match self {
            Self::Memory(_) => &[],
            Self::Redis(server) => std::slice::from_ref(server),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }
}
