//! What the calls of a run carry, for all threads and machines.

use std::rc::Rc;

use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde::{Deserialize, Serialize};

use super::{
    Body, RequestSource,
    data::{Items, Maker},
    encoding::Encoding,
    metadata::Metadata,
    source::{PlannedSource, Streams},
    variables::Fixed,
};
use crate::problem::Problem;

/// Something the user gave, and where, such as `--data` or the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given<T> {
    /// Where it was given.
    pub place: String,
    /// What was given.
    pub content: T,
}

/// The messages that were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// As JSON, with or without templates.
    Json(Given<String>),
    /// Encoded.
    Binary(Given<Vec<u8>>),
}

/// What templates are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Templates {
    /// They are evaluated.
    Evaluated,
    /// The same, but there are no functions other than Go's own.
    WithoutFunctions,
    /// They are text like any other.
    Text,
}

/// What the calls of a run carry. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPlan {
    /// The definition of the method: an encoded `FileDescriptorSet`.
    pub descriptors: Vec<u8>,
    /// The method's service, with its package.
    pub service: String,
    /// The method alone.
    pub method: String,
    /// The messages.
    pub data: Data,
    /// The metadata: an object, or a list of them that are used in turn.
    pub metadata: Option<Given<String>>,
    /// What templates are taken for.
    pub templates: Templates,
    /// After how many messages a call of many is ended; the data is used again from the start.
    pub stream_count: Option<u32>,
    /// Templates are evaluated for every message of a call, and not once for the call.
    pub dynamic_messages: bool,
    /// Messages are compressed with gzip.
    pub compressed: bool,
    /// Longest message, in bytes, before it is compressed.
    pub longest: usize,
    /// Name of the run, which is a part of worker ids.
    pub name: Option<String>,
    /// Number of connections, which is a part of worker ids.
    pub connections: u32,
}

impl RequestPlan {
    /// A source of requests, for one thread.
    ///
    /// # Errors
    /// When the data or the metadata do not fit the method, or a template cannot be parsed.
    pub fn source(&self) -> Result<Box<dyn RequestSource>, Problem> {
        self.planned_source().map(|source| Box::new(source) as Box<dyn RequestSource>)
    }

    /// Makes the request of every item once, so that what is wrong with one is known before the run.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        let mut source = self.planned_source()?;
        let turns = match source.streams {
            Streams::OneEach => source.items.len().max(source.metadata.turns()),
            Streams::All { .. } => source.metadata.turns(),
        };
        for number in 0..turns as u64 {
            if let Body::Many(messages) = source.request(number, 0)?.body {
                for message in messages.take(source.items.len()) {
                    message?;
                }
            }
        }
        Ok(())
    }

    fn planned_source(&self) -> Result<PlannedSource, Problem> {
        let method = self.method_descriptor()?;
        let (evaluated, functions) = match self.templates {
            Templates::Evaluated => (true, true),
            Templates::WithoutFunctions => (true, false),
            Templates::Text => (false, false),
        };
        let (metadata_place, metadata) = match &self.metadata {
            None => (String::new(), Metadata::none()),
            Some(Given { place, content }) => {
                let metadata = Metadata::parse(content, evaluated, functions).map_err(|error| {
                    Problem::new(
                        format!("{place}: {error}"),
                        "write metadata as a JSON object of strings, such as {\"request-id\":\"7\"}",
                    )
                })?;
                (place.clone(), metadata)
            }
        };
        let streams = if method.is_client_streaming() {
            let count = self.stream_count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            Streams::All { count, dynamic: self.dynamic_messages }
        } else {
            Streams::OneEach
        };
        let encoding = Encoding { compressed: self.compressed, longest: self.longest };
        let (maker, items) = self.items(&method, encoding, evaluated, functions)?;
        let fixed = Rc::new(Fixed::new(method, self.name.clone(), self.connections));
        Ok(PlannedSource { metadata_place, metadata, fixed, maker: Rc::new(maker), items, streams })
    }

    fn items(
        &self,
        method: &MethodDescriptor,
        encoding: Encoding,
        evaluated: bool,
        functions: bool,
    ) -> Result<(Maker, Items), Problem> {
        let descriptor = method.input();
        match &self.data {
            Data::Json(Given { place, content }) => {
                let maker = Maker { descriptor, encoding, place: place.clone() };
                let items = maker.json(content, evaluated, functions)?;
                Ok((maker, items))
            }
            Data::Binary(Given { place, content }) => {
                let maker = Maker { descriptor, encoding, place: place.clone() };
                let items = maker.binary(content)?;
                Ok((maker, items))
            }
        }
    }

    fn method_descriptor(&self) -> Result<MethodDescriptor, Problem> {
        let unknown = |reason: String| {
            Problem::new(
                format!("the plan does not describe {}/{}: {reason}", self.service, self.method),
                "run the same version of inrush-loadtest everywhere",
            )
        };
        let pool = DescriptorPool::decode(self.descriptors.as_slice())
            .map_err(|error| unknown(error.to_string()))?;
        let service = pool.get_service_by_name(&self.service);
        let service = service.ok_or_else(|| unknown("it does not have the service".to_owned()))?;
        let method = service.methods().find(|method| method.name() == self.method);
        method.ok_or_else(|| unknown("the service does not have the method".to_owned()))
    }
}
