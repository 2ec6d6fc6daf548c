//! Finds the method to call: in a definition, in a compiled one, or by asking the server.

mod method_name;
mod proto;
mod protoset;
mod reflection;

use std::path::PathBuf;

use http::HeaderMap;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use crate::{
    nearest,
    problem::Problem,
    transport::{CallKind, Endpoint},
};

pub use method_name::MethodName;

/// Where a method is described.
#[derive(Debug, Clone)]
pub enum Source {
    /// In a `.proto` file.
    Proto {
        /// The file.
        file: PathBuf,
        /// Folders to look for imports in.
        imports: Vec<PathBuf>,
    },
    /// In a file with an encoded `FileDescriptorSet`.
    ProtoSet {
        /// The file.
        file: PathBuf,
    },
    /// By the server.
    Reflection {
        /// The server.
        endpoint: Box<Endpoint>,
        /// Metadata for asking it.
        metadata: HeaderMap,
    },
}

/// A method that can be called.
#[derive(Debug, Clone)]
pub struct Target {
    /// What is known of it.
    pub method: MethodDescriptor,
}

impl Target {
    /// Finds a method by the name that `--call` gives.
    ///
    /// # Errors
    /// When the name is none, when the description cannot be had, or when the method is not in it.
    pub fn find(call: &str, source: &Source) -> Result<Self, Problem> {
        let name: MethodName = call.parse()?;
        let (pool, place) = match source {
            Source::Proto { file, imports } => (proto::compile(file, imports)?, file.display().to_string()),
            Source::ProtoSet { file } => (protoset::read(file)?, file.display().to_string()),
            Source::Reflection { endpoint, metadata } => {
                (reflection::ask(endpoint, metadata, &name)?, endpoint.address())
            }
        };
        Ok(Self { method: method(&pool, &name, &place)? })
    }

    /// The method's path: `/package.Service/Method`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// Which of its messages are streams.
    pub fn kind(&self) -> CallKind {
        match (self.method.is_client_streaming(), self.method.is_server_streaming()) {
            (false, false) => CallKind::Unary,
            (true, false) => CallKind::ClientStreaming,
            (false, true) => CallKind::ServerStreaming,
            (true, true) => CallKind::Bidirectional,
        }
    }
}

fn method(pool: &DescriptorPool, name: &MethodName, place: &str) -> Result<MethodDescriptor, Problem> {
    let Some(service) = pool.get_service_by_name(&name.service) else {
        let services: Vec<String> = pool.services().map(|service| service.full_name().to_owned()).collect();
        return Err(no_service(name, &services, place));
    };
    let found = service.methods().find(|method| method.name() == name.method);
    found.ok_or_else(|| no_method(&service, &name.method, place))
}

fn no_method(service: &ServiceDescriptor, wanted: &str, place: &str) -> Problem {
    let methods: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
    let hint = nearest::hint(wanted, methods.iter().map(String::as_str));
    Problem::new(
        format!("--call: {} in {place} has no method {wanted:?}{hint}", service.full_name()),
        format!("call one of {}", methods.join(", ")),
    )
}

fn no_service(name: &MethodName, services: &[String], place: &str) -> Problem {
    let hint = nearest::hint(&name.service, services.iter().map(String::as_str));
    let remedy = if services.is_empty() {
        "name a file that defines a service".to_owned()
    } else {
        format!("call a method of {}", services.join(", "))
    };
    Problem::new(format!("--call: there is no service {:?} in {place}{hint}", name.service), remedy)
}
