//! Finds the method to call: in a `.proto` file, in compiled definitions, or by server reflection.

mod method_name;
mod not_found;
mod proto;
mod protoset;
mod reflection;

use std::path::PathBuf;

use http::HeaderMap;
use inrush_transport::{CallKind, Endpoint, Error};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use self::not_found::{method_not_found, service_not_found};

pub use method_name::MethodName;

/// Where a method is defined.
#[derive(Debug, Clone)]
pub enum Source {
    /// In a `.proto` file.
    Proto {
        /// The file.
        file: PathBuf,
        /// Folders to search for imports.
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
        /// Metadata of the reflection calls.
        metadata: HeaderMap,
    },
}

/// A method that can be called.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its descriptor.
    pub method: MethodDescriptor,
}

impl Target {
    /// Finds a method by the name in `--call`.
    ///
    /// # Errors
    /// If the name is invalid, the definition cannot be read, or it does not contain the method.
    pub fn find(call: &str, source: &Source) -> Result<Self, Error> {
        let name: MethodName = call.parse()?;
        let (pool, source) = match source {
            Source::Proto { file, imports } => (proto::compile(file, imports)?, file.display().to_string()),
            Source::ProtoSet { file } => (protoset::read(file)?, file.display().to_string()),
            Source::Reflection { endpoint, metadata } => {
                (reflection::describe(endpoint, metadata, &name)?, endpoint.address())
            }
        };
        Ok(Self { method: find_method(&pool, &name, &source)? })
    }

    /// The path of the method: `/package.Service/Method`.
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

fn find_method(pool: &DescriptorPool, name: &MethodName, source: &str) -> Result<MethodDescriptor, Error> {
    let Some(service) = pool.get_service_by_name(&name.service) else {
        let services: Vec<String> = pool.services().map(|service| service.full_name().to_owned()).collect();
        return Err(service_not_found(name, &services, source));
    };
    let method = service.methods().find(|method| method.name() == name.method);
    method.ok_or_else(|| method_not_found(&service, &name.method, source))
}
