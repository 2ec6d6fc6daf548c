//! Reads the definition of a service by server reflection.
//! <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>

use std::{collections::BTreeMap, iter, rc::Rc};

use bytes::Bytes;
use http::HeaderMap;
use inrush_report::measure::Code;
use inrush_transport::{Body, Caller, Endpoint, Error, Head, Link, Request, StreamTimes, TlsConnector};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tokio::{runtime::Builder, task::LocalSet};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use super::{method_name::MethodName, not_found::service_not_found};
use crate::message::framed;

/// The versions of the reflection service, the newest first. Their messages are the same.
const SERVICES: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Maximum number of files of a definition.
const MAX_FILES: usize = 10_000;

/// The files that define a service.
pub(super) fn describe(
    endpoint: &Endpoint,
    metadata: &HeaderMap,
    name: &MethodName,
) -> Result<DescriptorPool, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(format!("cannot start a runtime: {error}"), "raise the limits of this process")
    })?;
    LocalSet::new().block_on(&runtime, async {
        let mut server = Server::connect(endpoint, metadata).await?;
        server.describe(name).await
    })
}

struct Server<'a> {
    endpoint: &'a Endpoint,
    metadata: &'a HeaderMap,
    caller: Caller,
}

impl<'a> Server<'a> {
    /// Connects, and finds out which version the server has.
    async fn connect(endpoint: &'a Endpoint, metadata: &'a HeaderMap) -> Result<Self, Error> {
        let tls = TlsConnector::of(endpoint)?;
        let link = Link::open(Rc::new(endpoint.clone()), tls, 0).await;
        let link = link.map_err(|failure| failure.to_error())?;
        let mut reason = String::new();
        for path in SERVICES {
            let head = Head::new(endpoint, path, Some(endpoint.connect_timeout))?.keeping_messages();
            let caller = Caller::new(Rc::clone(&link), Rc::new(head), StreamTimes::default());
            let mut server = Self { endpoint, metadata, caller };
            match server.perform(MessageRequest::ListServices(String::new())).await? {
                Ok(_) => return Ok(server),
                Err(Rejection { code: Code::Unimplemented, .. }) => {}
                Err(Rejection { code, error }) => {
                    reason = format!(": {} {error}", code.name());
                    break;
                }
            }
        }
        Err(no_reflection(endpoint, &reason))
    }

    async fn describe(&mut self, name: &MethodName) -> Result<DescriptorPool, Error> {
        let mut files = BTreeMap::new();
        let first = MessageRequest::FileContainingSymbol(name.service.clone());
        if !self.collect(first, &mut files).await? {
            let services = self.services().await?;
            return Err(service_not_found(name, &services, &self.endpoint.address()));
        }
        while let Some(missing) = missing(&files) {
            let request = MessageRequest::FileByFilename(missing.clone());
            if !self.collect(request, &mut files).await? || !files.contains_key(&missing) {
                return Err(self.incomplete(&format!("the file {missing:?} is missing")));
            }
            if files.len() > MAX_FILES {
                return Err(self.incomplete(&format!("there are more than {MAX_FILES} files")));
            }
        }
        let set = FileDescriptorSet { file: files.into_values().collect() };
        DescriptorPool::from_file_descriptor_set(set).map_err(|error| self.incomplete(&error.to_string()))
    }

    /// Adds the files of a response. Returns false if the server does not know the symbol or file.
    async fn collect(
        &mut self,
        request: MessageRequest,
        files: &mut BTreeMap<String, FileDescriptorProto>,
    ) -> Result<bool, Error> {
        let Some(MessageResponse::FileDescriptorResponse(response)) = self.request(request).await? else {
            return Ok(false);
        };
        for bytes in response.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|error| self.incomplete(&error.to_string()))?;
            files.insert(file.name().to_owned(), file);
        }
        Ok(true)
    }

    async fn services(&mut self) -> Result<Vec<String>, Error> {
        let response = self.request(MessageRequest::ListServices(String::new())).await?;
        Ok(match response {
            Some(MessageResponse::ListServicesResponse(list)) => {
                list.service.into_iter().map(|service| service.name).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Sends a request. Returns `None` for the status `NOT_FOUND`, which some servers send instead of an error response.
    async fn request(&mut self, request: MessageRequest) -> Result<Option<MessageResponse>, Error> {
        match self.perform(request).await? {
            Ok(response) => Ok(response),
            Err(Rejection { code: Code::NotFound, .. }) => Ok(None),
            Err(Rejection { code, error }) => Err(self.incomplete(&format!("{} {error}", code.name()))),
        }
    }

    async fn perform(
        &mut self,
        request: MessageRequest,
    ) -> Result<Result<Option<MessageResponse>, Rejection>, Error> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let message: Bytes = framed(&request.encode_to_vec())?;
        let body = Body::Many(Box::new(iter::once(Ok(message))));
        let answer = self.caller.call(Request { metadata: self.metadata.clone(), body }).await?;
        if answer.code != Code::Ok {
            return Ok(Err(Rejection { code: answer.code, error: answer.error }));
        }
        let response = ServerReflectionResponse::decode(answer.message);
        Ok(Ok(response.map_err(|error| self.incomplete(&error.to_string()))?.message_response))
    }

    fn incomplete(&self, reason: &str) -> Error {
        Error::new(
            format!("the reflection service of {} is incomplete: {reason}", self.endpoint.address()),
            "pass the definition with --proto FILE.proto or --protoset FILE",
        )
    }
}

/// A status other than OK.
struct Rejection {
    code: Code,
    error: String,
}

/// A file that is imported and missing.
fn missing(files: &BTreeMap<String, FileDescriptorProto>) -> Option<String> {
    let mut imports = files.values().flat_map(|file| &file.dependency);
    imports.find(|name| !files.contains_key(*name)).cloned()
}

fn no_reflection(endpoint: &Endpoint, reason: &str) -> Error {
    Error::new(
        format!("{} has no server reflection{reason}", endpoint.address()),
        "pass the definition with --proto FILE.proto or --protoset FILE",
    )
}
