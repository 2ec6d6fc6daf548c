//! The input for messages, as encoded messages or templates.

use std::rc::Rc;

use bytes::Bytes;
use inrush_transport::Error;
use prost_reflect::MessageDescriptor;
use serde_json::value::RawValue;

use super::{binary, encoding::Encoding, json, template::Template, variables::CallData};

/// The input as items: a list has several, anything else is one.
#[derive(Clone)]
pub(super) enum Items {
    /// Encoded messages.
    Ready(Rc<[Bytes]>),
    /// Text that yields one message, or a list of messages, when its templates are evaluated.
    Templates(Rc<[Item]>),
}

/// One item of the data.
pub(super) enum Item {
    /// Without templates.
    Ready(Bytes),
    /// With templates.
    Template(Template),
}

/// Encodes messages of a type.
pub(super) struct MessageEncoder {
    pub(super) descriptor: MessageDescriptor,
    pub(super) encoding: Encoding,
    /// The source of the data, for errors.
    pub(super) source: String,
}

impl MessageEncoder {
    /// Parses JSON: a message, a list of messages, or text with templates.
    pub(super) fn json(&self, text: &str, templates: bool, functions: bool) -> Result<Items, Error> {
        let texts = self.split(text, templates)?;
        let several = texts.len() > 1 || text.trim_start().starts_with('[');
        let mut items = Vec::with_capacity(texts.len());
        for (index, item) in texts.into_iter().enumerate() {
            let position = Position { item: several.then_some(index), call: None };
            items.push(if templates && Template::is_in(item) {
                Item::Template(
                    Template::parse(item, functions)
                        .map_err(|error| self.template_error(position, &error))?,
                )
            } else {
                Item::Ready(self.message(item, position)?)
            });
        }
        if items.iter().all(|item| matches!(item, Item::Ready(_))) {
            let ready = items.into_iter().filter_map(|item| match item {
                Item::Ready(message) => Some(message),
                Item::Template(_) => None,
            });
            return Ok(Items::Ready(ready.collect()));
        }
        Ok(Items::Templates(items.into()))
    }

    /// Parses encoded messages.
    pub(super) fn binary(&self, bytes: &[u8]) -> Result<Items, Error> {
        let messages = binary::messages(&self.descriptor, bytes).map_err(|error| {
            Error::new(
                format!("{} does not decode as {}: {error}", self.source, self.descriptor.full_name()),
                "pass one encoded message, or several, each with its length as a varint in front",
            )
        })?;
        messages
            .iter()
            .map(|message| self.encoding.frame(message))
            .collect::<Result<_, _>>()
            .map(Items::Ready)
    }

    /// The messages of one item for a call.
    pub(super) fn encode(
        &self,
        item: &Item,
        position: Position,
        call: &CallData<'_>,
    ) -> Result<Vec<Bytes>, Error> {
        match item {
            Item::Ready(message) => Ok(vec![message.clone()]),
            Item::Template(template) => {
                let text = template.render(call).map_err(|error| self.template_error(position, &error))?;
                // A template whose text is not JSON may yield a list.
                if text.trim_start().starts_with('[') {
                    self.split(&text, false)?.into_iter().map(|item| self.message(item, position)).collect()
                } else {
                    Ok(vec![self.message(&text, position)?])
                }
            }
        }
    }

    /// The texts of the items of a list, or the whole text. Text with templates need not be JSON before they are
    /// evaluated.
    fn split<'t>(&self, text: &'t str, templates: bool) -> Result<Vec<&'t str>, Error> {
        if !text.trim_start().starts_with('[') {
            return Ok(vec![text]);
        }
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) if items.is_empty() => {
                Err(Error::new(format!("{} is an empty list", self.source), "pass at least one message"))
            }
            Ok(items) => Ok(items.into_iter().map(RawValue::get).collect()),
            Err(_) if templates && Template::is_in(text) => Ok(vec![text]),
            Err(error) => {
                Err(Error::new(format!("{} is not JSON: {error}", self.source), "correct the JSON"))
            }
        }
    }

    fn message(&self, text: &str, position: Position) -> Result<Bytes, Error> {
        // Like ghz, send an empty message if there is no data.
        let text = if text.trim().is_empty() || text.trim() == "null" { "{}" } else { text };
        let message = json::encode(&self.descriptor, text).map_err(|error| {
            let rendered = if position.call.is_some() {
                format!("; the text was {}", shortened(text))
            } else {
                String::new()
            };
            Error::new(
                format!("{}{position}: {error}{rendered}", self.source),
                "write the message in protobuf's JSON format: https://protobuf.dev/programming-guides/json",
            )
        })?;
        self.encoding.frame(&message)
    }

    fn template_error(&self, position: Position, error: &str) -> Error {
        Error::new(
            format!("{}{position}: invalid template: {error}", self.source),
            "see docs/ghz.md for the template language, or send {{…}} as it is with --disable-template-data",
        )
    }
}

/// A position in the data, and the call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    /// The index in a list, from 0.
    pub(super) item: Option<usize>,
    /// The number of the call, from 0.
    pub(super) call: Option<u64>,
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(item) = self.item {
            write!(formatter, ", item {item} of the list")?;
        }
        if let Some(call) = self.call {
            write!(formatter, ", in call {call}")?;
        }
        Ok(())
    }
}

/// The beginning of a text, for an error message.
fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 200;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Items {
    /// Number of items.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(messages) => messages.len(),
            Self::Templates(items) => items.len(),
        }
    }
}
