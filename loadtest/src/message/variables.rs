//! The variables of templates.

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

/// The data that is the same for all calls of a thread.
pub(super) struct Constants {
    method: MethodDescriptor,
    name: Option<String>,
    connections: u32,
}

impl Constants {
    /// `name` and the number of connections are part of worker ids.
    pub(super) fn new(method: MethodDescriptor, name: Option<String>, connections: u32) -> Self {
        Self { method, name, connections: connections.max(1) }
    }
}

/// The data of one call, or of one message. Its time and its UUID are determined on first use.
pub(super) struct CallData<'a> {
    constants: &'a Constants,
    number: u64,
    worker: u32,
    time: OnceCell<SystemTime>,
    uuid: OnceCell<String>,
}

impl<'a> CallData<'a> {
    pub(super) fn new(constants: &'a Constants, number: u64, worker: u32) -> Self {
        Self { constants, number, worker, time: OnceCell::new(), uuid: OnceCell::new() }
    }

    /// A context with these variables.
    pub(super) fn context(&self, names: &[&'static str]) -> Context {
        let values: HashMap<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), self.value(name))).collect();
        Context::from(Value::Object(values))
    }

    fn value(&self, name: &str) -> Value {
        let method = &self.constants.method;
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
            "TimestampUnix" => self.unix_time().as_secs().into(),
            "TimestampUnixMilli" => integer(self.unix_time().as_millis()),
            "TimestampUnixNano" => integer(self.unix_time().as_nanos()),
            "UUID" => self.uuid.get_or_init(new_uuid).as_str().into(),
            _ => Value::NoValue,
        }
    }

    /// As in ghz: the worker, and the connection that it would have in ghz.
    fn worker_id(&self) -> String {
        let (worker, connection) = (self.worker, self.worker % self.constants.connections);
        match &self.constants.name {
            Some(name) => format!("{name}:g{worker}c{connection}"),
            None => format!("g{worker}c{connection}"),
        }
    }

    fn time(&self) -> SystemTime {
        *self.time.get_or_init(SystemTime::now)
    }

    fn unix_time(&self) -> Duration {
        self.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

/// 64 bits of nanoseconds suffice until the year 2554.
fn integer(number: u128) -> Value {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}
