//! The store on Redis or Valkey: one server, a master found by Redis Sentinel, or a Redis Cluster.
//!
//! Every operation is one Lua script under `redis/lua/`, run with `EVALSHA` (and with `EVAL` on a server that does not
//! have it yet), so it is atomic. `redis/store.rs` runs scripts; the operations are in `redis/queue_ops.rs` (fronts),
//! `redis/worker_ops.rs` (fulfilment) and `redis/admin_ops.rs` (operators).

mod admin_ops;
mod client;
mod command_error;
mod connection;
mod endpoint;
mod events;
mod history;
mod key_hints;
mod keys;
mod memory_use;
mod pool;
mod queue_ops;
mod reconcile;
mod reply;
mod required_replicas;
mod restore;
mod retry;
mod script;
mod sentinels;
mod server_check;
mod settings;
mod shared_connection;
mod snapshot;
mod store;
mod user_rules;
mod worker_ops;

pub use self::{
    memory_use::MemoryUse,
    script::ScriptSources,
    settings::{
        DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_POOLED_CONNECTIONS, DEFAULT_REPLICATION_TIMEOUT,
        DEFAULT_RESPONSE_TIMEOUT, RedisSettings,
    },
    store::RedisStore,
    user_rules::USER_RULES,
};
