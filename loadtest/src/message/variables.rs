//! What a template knows of its call.

use std::{
    cell::OnceCell,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use gtmpl_ng::{Context, Value};
use prost_reflect::MethodDescriptor;

use super::functions::new_uuid;

/// The names of all variables.
pub const VARIABLES: [&str; 14] = [
    "WorkerID",
    "RequestNumber",
    "FullyQualifiedName",
    "MethodName",
    "ServiceName",
    "InputName",
    "OutputName",
    "IsClientStreaming",
    "IsServerStreaming",
    "Timestamp",
    "TimestampUnix",
    "TimestampUnixMilli",
    "TimestampUnixNano",
    "UUID",
];

/// What is the same for all calls of a thread.
pub(super) struct Fixed {
    method: MethodDescriptor,
    name: Option<String>,
    connections: u32,
}

impl Fixed {
    /// `name` and the number of connections are parts of a worker's id.
    pub(super) fn new(method: MethodDescriptor, name: Option<String>, connections: u32) -> Self {
        Self { method, name, connections: connections.max(1) }
    }
}

/// One call, or one message of it: its time and its id are taken when a template first asks for them, and stay.
pub(super) struct CallData<'a> {
    fixed: &'a Fixed,
    number: u64,
    worker: u32,
    time: OnceCell<SystemTime>,
    uuid: OnceCell<String>,
}

impl<'a> CallData<'a> {
    pub(super) fn new(fixed: &'a Fixed, number: u64, worker: u32) -> Self {
        Self { fixed, number, worker, time: OnceCell::new(), uuid: OnceCell::new() }
    }

    /// The given variables.
    pub(super) fn context(&self, names: &[&'static str]) -> Context {
        let values: HashMap<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), self.value(name))).collect();
        Context::from(Value::Object(values))
    }

    fn value(&self, name: &str) -> Value {
        let method = &self.fixed.method;
        match name {
            "WorkerID" => self.worker_id().into(),
            "RequestNumber" => self.number.into(),
            "FullyQualifiedName" => method.full_name().into(),
            "MethodName" => method.name().into(),
            "ServiceName" => method.parent_service().name().into(),
            "InputName" => method.input().name().into(),
            "OutputName" => method.output().name().into(),
            "IsClientStreaming" => method.is_client_streaming().into(),
            "IsServerStreaming" => method.is_server_streaming().into(),
            "Timestamp" => humantime::format_rfc3339_seconds(self.time()).to_string().into(),
            "TimestampUnix" => self.since_1970().as_secs().into(),
            "TimestampUnixMilli" => whole(self.since_1970().as_millis()),
            "TimestampUnixNano" => whole(self.since_1970().as_nanos()),
            "UUID" => self.uuid.get_or_init(new_uuid).as_str().into(),
            _ => Value::NoValue,
        }
    }

    /// As in ghz: the worker, and the connection that it would have there.
    fn worker_id(&self) -> String {
        let (worker, connection) = (self.worker, self.worker % self.fixed.connections);
        match &self.fixed.name {
            Some(name) => format!("{name}:g{worker}c{connection}"),
            None => format!("g{worker}c{connection}"),
        }
    }

    fn time(&self) -> SystemTime {
        *self.time.get_or_init(SystemTime::now)
    }

    fn since_1970(&self) -> Duration {
        self.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

/// Enough for the next 580 years.
fn whole(number: u128) -> Value {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}
