//! The plan of the requests of a run, for all threads and machines.

use std::rc::Rc;

use inrush_transport::{Body, Error};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde::{Deserialize, Serialize};

use super::{
    data::{Items, MessageEncoder},
    encoding::Encoding,
    metadata::Metadata,
    request_source::RequestSource,
    source::{PlannedSource, Streams},
    variables::Constants,
};

/// An input of the user and its source, such as `--data` or the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given<T> {
    /// Its source.
    pub source: String,
    /// The input.
    pub content: T,
}

/// The input for the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// As JSON, with or without templates.
    Json(Given<String>),
    /// Encoded.
    Binary(Given<Vec<u8>>),
}

/// How templates are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Templates {
    /// Evaluated.
    Evaluated,
    /// Evaluated with no functions but Go's own.
    WithoutFunctions,
    /// Sent as they are.
    Text,
}

/// The plan of the requests of a run. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPlan {
    /// The definition of the method: an encoded `FileDescriptorSet`.
    pub descriptors: Vec<u8>,
    /// The service, with its package.
    pub service: String,
    /// The method without its service.
    pub method: String,
    /// The messages.
    pub data: Data,
    /// The metadata: an object, or a list of objects that are used in turn.
    pub metadata: Option<Given<String>>,
    /// How templates are treated.
    pub templates: Templates,
    /// Number of messages of a client stream; the data is repeated as needed. `None`: as many as the data has.
    pub stream_count: Option<u32>,
    /// Templates are evaluated for every message of a call instead of once per call.
    pub dynamic_messages: bool,
    /// Messages are compressed with gzip.
    pub compressed: bool,
    /// Maximum length of a message in bytes, before compression.
    pub max_size: usize,
    /// Name of the run, which is part of worker ids.
    pub name: Option<String>,
    /// Number of connections, which is part of worker ids.
    pub connections: u32,
}

impl RequestPlan {
    /// A source of requests, for one thread.
    ///
    /// # Errors
    /// If data or metadata do not fit the method, or a template cannot be parsed.
    pub fn source(&self) -> Result<Box<dyn RequestSource>, Error> {
        self.planned_source().map(|source| Box::new(source) as Box<dyn RequestSource>)
    }

    /// Makes the request of every item once, to find errors before the run.
    ///
    /// # Errors
    /// The first error.
    pub fn check(&self) -> Result<(), Error> {
        let mut source = self.planned_source()?;
        let requests = match source.streams {
            Streams::OneEach => source.items.len().max(source.metadata.len()),
            Streams::All { .. } => source.metadata.len(),
        };
        for number in 0..requests as u64 {
            if let Body::Many(messages) = source.request(number, 0)?.body {
                for message in messages.take(source.items.len()) {
                    message?;
                }
            }
        }
        Ok(())
    }

    fn planned_source(&self) -> Result<PlannedSource, Error> {
        let method = self.method_descriptor()?;
        let (evaluated, functions) = match self.templates {
            Templates::Evaluated => (true, true),
            Templates::WithoutFunctions => (true, false),
            Templates::Text => (false, false),
        };
        let (metadata_source, metadata) = match &self.metadata {
            None => (String::new(), Metadata::none()),
            Some(Given { source, content }) => {
                let metadata = Metadata::parse(content, evaluated, functions).map_err(|error| {
                    Error::new(
                        format!("{source}: {error}"),
                        "write metadata as a JSON object of strings, such as {\"request-id\":\"7\"}",
                    )
                })?;
                (source.clone(), metadata)
            }
        };
        let streams = if method.is_client_streaming() {
            let count = self.stream_count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            Streams::All { count, dynamic: self.dynamic_messages }
        } else {
            Streams::OneEach
        };
        let encoding = Encoding { compressed: self.compressed, max_size: self.max_size };
        let (encoder, items) = self.items(&method, encoding, evaluated, functions)?;
        let constants = Rc::new(Constants::new(method, self.name.clone(), self.connections));
        Ok(PlannedSource { metadata_source, metadata, constants, encoder: Rc::new(encoder), items, streams })
    }

    fn items(
        &self,
        method: &MethodDescriptor,
        encoding: Encoding,
        evaluated: bool,
        functions: bool,
    ) -> Result<(MessageEncoder, Items), Error> {
        let descriptor = method.input();
        match &self.data {
            Data::Json(Given { source, content }) => {
                let encoder = MessageEncoder { descriptor, encoding, source: source.clone() };
                let items = encoder.json(content, evaluated, functions)?;
                Ok((encoder, items))
            }
            Data::Binary(Given { source, content }) => {
                let encoder = MessageEncoder { descriptor, encoding, source: source.clone() };
                let items = encoder.binary(content)?;
                Ok((encoder, items))
            }
        }
    }

    fn method_descriptor(&self) -> Result<MethodDescriptor, Error> {
        let missing = |reason: String| {
            Error::new(
                format!("the plan does not define {}/{}: {reason}", self.service, self.method),
                "use the same version of inrush-loadtest on all machines",
            )
        };
        let pool = DescriptorPool::decode(self.descriptors.as_slice())
            .map_err(|error| missing(error.to_string()))?;
        let service = pool.get_service_by_name(&self.service);
        let service = service.ok_or_else(|| missing("the service is missing".to_owned()))?;
        let method = service.methods().find(|method| method.name() == self.method);
        method.ok_or_else(|| missing("the method is missing".to_owned()))
    }
}
