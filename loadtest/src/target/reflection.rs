//! Asking a server about its methods.
//! <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>

use std::{collections::BTreeMap, iter, rc::Rc};

use bytes::Bytes;
use http::HeaderMap;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tokio::{runtime::Builder, task::LocalSet};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use super::{MethodName, no_service};
use crate::{
    measure::Code,
    message::{Body, Request, framed},
    problem::Problem,
    transport::{Caller, Endpoint, Head, Link, StreamTimes, TlsConnector},
};

/// The services that answer, the newer one first. Their messages are the same.
const SERVICES: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Files that a description may consist of: a server that goes on naming new ones is not believed.
const MOST_FILES: usize = 10_000;

/// The files that describe a service.
pub(super) fn ask(
    endpoint: &Endpoint,
    metadata: &HeaderMap,
    name: &MethodName,
) -> Result<DescriptorPool, Problem> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(format!("no runtime can be started: {error}"), "free some resources")
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
    /// Connects, and finds out which of the services answers.
    async fn connect(endpoint: &'a Endpoint, metadata: &'a HeaderMap) -> Result<Self, Problem> {
        let tls = TlsConnector::of(endpoint)?;
        let link = Link::open(Rc::new(endpoint.clone()), tls, 0).await;
        let link = link.map_err(|failure| failure.problem())?;
        let mut refused = String::new();
        for path in SERVICES {
            let head = Head::new(endpoint, path, Some(endpoint.connect_timeout))?.keeping_messages();
            let caller = Caller::new(Rc::clone(&link), Rc::new(head), StreamTimes::default());
            let mut server = Self { endpoint, metadata, caller };
            match server.perform(MessageRequest::ListServices(String::new())).await? {
                Ok(_) => return Ok(server),
                Err(Refused { code: Code::Unimplemented, .. }) => {}
                Err(Refused { code, error }) => {
                    refused = format!(": {} {error}", code.name());
                    break;
                }
            }
        }
        Err(server_without_reflection(endpoint, &refused))
    }

    async fn describe(&mut self, name: &MethodName) -> Result<DescriptorPool, Problem> {
        let mut files = BTreeMap::new();
        let first = MessageRequest::FileContainingSymbol(name.service.clone());
        if !self.collect(first, &mut files).await? {
            let services = self.services().await?;
            return Err(no_service(name, &services, &self.endpoint.address()));
        }
        while let Some(missing) = missing(&files) {
            let request = MessageRequest::FileByFilename(missing.clone());
            if !self.collect(request, &mut files).await? || !files.contains_key(&missing) {
                return Err(self.incomplete(&format!("it does not have {missing:?}")));
            }
            if files.len() > MOST_FILES {
                return Err(self.incomplete(&format!("it has more than {MOST_FILES} files")));
            }
        }
        let set = FileDescriptorSet { file: files.into_values().collect() };
        DescriptorPool::from_file_descriptor_set(set).map_err(|error| self.incomplete(&error.to_string()))
    }

    /// Adds the files of an answer. False: the server does not know what was asked for.
    async fn collect(
        &mut self,
        request: MessageRequest,
        files: &mut BTreeMap<String, FileDescriptorProto>,
    ) -> Result<bool, Problem> {
        let Some(MessageResponse::FileDescriptorResponse(answer)) = self.answered(request).await? else {
            return Ok(false);
        };
        for bytes in answer.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|error| self.incomplete(&error.to_string()))?;
            files.insert(file.name().to_owned(), file);
        }
        Ok(true)
    }

    async fn services(&mut self) -> Result<Vec<String>, Problem> {
        let answer = self.answered(MessageRequest::ListServices(String::new())).await?;
        Ok(match answer {
            Some(MessageResponse::ListServicesResponse(list)) => {
                list.service.into_iter().map(|service| service.name).collect()
            }
            _ => Vec::new(),
        })
    }

    /// None: the server says, in one of the two ways that servers do, that there is no such thing.
    async fn answered(&mut self, request: MessageRequest) -> Result<Option<MessageResponse>, Problem> {
        match self.perform(request).await? {
            Ok(answer) => Ok(answer),
            Err(Refused { code: Code::NotFound, .. }) => Ok(None),
            Err(Refused { code, error }) => Err(self.incomplete(&format!("{} {error}", code.name()))),
        }
    }

    async fn perform(
        &mut self,
        request: MessageRequest,
    ) -> Result<Result<Option<MessageResponse>, Refused>, Problem> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let message: Bytes = framed(&request.encode_to_vec())?;
        let body = Body::Many(Box::new(iter::once(Ok(message))));
        let answer = self.caller.call(Request { metadata: self.metadata.clone(), body }).await?;
        if answer.code != Code::Ok {
            return Ok(Err(Refused { code: answer.code, error: answer.error }));
        }
        let response = ServerReflectionResponse::decode(answer.message);
        Ok(Ok(response.map_err(|error| self.incomplete(&error.to_string()))?.message_response))
    }

    fn incomplete(&self, reason: &str) -> Problem {
        Problem::new(
            format!("{} describes its methods incompletely (reflection): {reason}", self.endpoint.address()),
            "name the definition with --proto FILE.proto or --protoset FILE",
        )
    }
}

struct Refused {
    code: Code,
    error: String,
}

/// A file that another one imports, and that is not there.
fn missing(files: &BTreeMap<String, FileDescriptorProto>) -> Option<String> {
    let mut imports = files.values().flat_map(|file| &file.dependency);
    imports.find(|name| !files.contains_key(*name)).cloned()
}

fn server_without_reflection(endpoint: &Endpoint, refused: &str) -> Problem {
    Problem::new(
        format!("{} does not say which methods it has (no server reflection){refused}", endpoint.address()),
        "name the definition with --proto FILE.proto or --protoset FILE",
    )
}
