//! The requests of one thread.

use std::rc::Rc;

use bytes::Bytes;
use inrush_transport::{Body, Error, Request};

use super::{
    data::{Item, Items, MessageEncoder, Position},
    metadata::Metadata,
    request_source::RequestSource,
    variables::{CallData, Constants},
};

/// Makes the requests of a plan.
pub(super) struct PlannedSource {
    /// The source of the metadata, for errors.
    pub(super) metadata_source: String,
    pub(super) metadata: Metadata,
    pub(super) constants: Rc<Constants>,
    pub(super) encoder: Rc<MessageEncoder>,
    pub(super) items: Items,
    pub(super) streams: Streams,
}

/// How the messages of a call are selected from the items.
#[derive(Debug, Clone, Copy)]
pub(super) enum Streams {
    /// One item, in turn.
    OneEach,
    /// All items, or a number of messages, for which the items are repeated.
    All {
        /// The number of messages.
        count: Option<usize>,
        /// Templates are evaluated for every message instead of once per call.
        dynamic: bool,
    },
}

impl RequestSource for PlannedSource {
    fn request(&mut self, number: u64, worker: u32) -> Result<Request, Error> {
        let call = CallData::new(&self.constants, number, worker);
        let metadata = self.metadata.of(number, &call).map_err(|error| {
            Error::new(
                format!("{}, in call {number}: {error}", self.metadata_source),
                "see docs/ghz.md for the template language",
            )
        })?;
        let body = match self.streams {
            Streams::OneEach => Body::One(self.one(number, &call)?),
            Streams::All { count, dynamic: true } => self.dynamic(number, worker, count),
            Streams::All { count, dynamic: false } => self.all(number, &call, count)?,
        };
        Ok(Request { metadata, body })
    }
}

impl PlannedSource {
    fn one(&self, number: u64, call: &CallData<'_>) -> Result<Bytes, Error> {
        match &self.items {
            Items::Ready(messages) => {
                messages.get(item_index(number, messages.len())).cloned().ok_or_else(no_message)
            }
            Items::Templates(items) => {
                let index = item_index(number, items.len());
                let mut messages = self.encode(items, index, number, call)?;
                if messages.is_empty() {
                    Err(no_message())
                } else {
                    Ok(messages.swap_remove(item_index(number, messages.len())))
                }
            }
        }
    }

    fn all(&self, number: u64, call: &CallData<'_>, count: Option<usize>) -> Result<Body, Error> {
        let messages = match &self.items {
            Items::Ready(messages) => Rc::clone(messages),
            Items::Templates(items) => {
                let mut all = Vec::with_capacity(items.len());
                for index in 0..items.len() {
                    all.extend(self.encode(items, index, number, call)?);
                }
                all.into()
            }
        };
        let count = count.unwrap_or(messages.len());
        Ok(Body::Many(Box::new(
            (0..count).filter_map(move |sent| messages.get(sent % messages.len().max(1)).cloned().map(Ok)),
        )))
    }

    /// Messages that are encoded when they are sent.
    fn dynamic(&self, number: u64, worker: u32, count: Option<usize>) -> Body {
        let (constants, encoder, items) =
            (Rc::clone(&self.constants), Rc::clone(&self.encoder), self.items.clone());
        let count = count.unwrap_or(items.len());
        Body::Many(Box::new((0..count).filter_map(move |sent| {
            let index = sent % items.len().max(1);
            match &items {
                Items::Ready(messages) => messages.get(index).cloned().map(Ok),
                Items::Templates(items) => {
                    let call = CallData::new(&constants, number, worker);
                    let position = position(items, index, number);
                    let encoded = encoder.encode(items.get(index)?, position, &call);
                    encoded.map(|messages| messages.into_iter().next()).transpose()
                }
            }
        })))
    }

    fn encode(
        &self,
        items: &[Item],
        index: usize,
        number: u64,
        call: &CallData<'_>,
    ) -> Result<Vec<Bytes>, Error> {
        let item = items.get(index).ok_or_else(no_message)?;
        self.encoder.encode(item, position(items, index, number), call)
    }
}

fn position(items: &[Item], index: usize, number: u64) -> Position {
    Position { item: (items.len() > 1).then_some(index), call: Some(number) }
}

fn item_index(number: u64, count: usize) -> usize {
    usize::try_from(number % count.max(1) as u64).unwrap_or(0)
}

fn no_message() -> Error {
    Error::new("the data contains no message", "pass at least one message")
}
