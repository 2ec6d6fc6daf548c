//! The messages that were given: encoded already, or templates for them.

use std::rc::Rc;

use bytes::Bytes;
use prost_reflect::MessageDescriptor;
use serde_json::value::RawValue;

use super::{binary, encoding::Encoding, json, template::Template, variables::CallData};
use crate::problem::Problem;

/// What was given, as items: a list has several, anything else is one.
#[derive(Clone)]
pub(super) enum Items {
    /// Encoded messages.
    Ready(Rc<[Bytes]>),
    /// Text that becomes one message, or a list of them, once its templates are evaluated.
    Templates(Rc<[Item]>),
}

/// One item of the data.
pub(super) enum Item {
    /// Without templates.
    Ready(Bytes),
    /// With templates.
    Template(Template),
}

/// Makes messages of a type.
pub(super) struct Maker {
    pub(super) descriptor: MessageDescriptor,
    pub(super) encoding: Encoding,
    /// Where the data was given, for errors.
    pub(super) place: String,
}

impl Maker {
    /// Reads JSON: a message, a list of messages, or a text with templates.
    pub(super) fn json(&self, text: &str, templates: bool, functions: bool) -> Result<Items, Problem> {
        let listed = self.items(text, templates)?;
        let several = listed.len() > 1 || text.trim_start().starts_with('[');
        let mut items = Vec::with_capacity(listed.len());
        for (number, item) in listed.into_iter().enumerate() {
            let place = Place { item: several.then_some(number), call: None };
            items.push(if templates && Template::is_in(item) {
                Item::Template(
                    Template::parse(item, functions).map_err(|error| self.template_problem(place, &error))?,
                )
            } else {
                Item::Ready(self.message(item, place)?)
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

    /// Reads encoded messages.
    pub(super) fn binary(&self, bytes: &[u8]) -> Result<Items, Problem> {
        let messages = binary::messages(&self.descriptor, bytes).map_err(|error| {
            Problem::new(
                format!("{} does not decode as {}: {error}", self.place, self.descriptor.full_name()),
                "give one encoded message, or several with their lengths as varints in front",
            )
        })?;
        messages
            .iter()
            .map(|message| self.encoding.frame(message))
            .collect::<Result<_, _>>()
            .map(Items::Ready)
    }

    /// The messages of one item for a call.
    pub(super) fn make(&self, item: &Item, place: Place, call: &CallData<'_>) -> Result<Vec<Bytes>, Problem> {
        match item {
            Item::Ready(message) => Ok(vec![message.clone()]),
            Item::Template(template) => {
                let text = template.render(call).map_err(|error| self.template_problem(place, &error))?;
                // A template that is no JSON by itself may have become a list only now.
                if text.trim_start().starts_with('[') {
                    self.items(&text, false)?.into_iter().map(|item| self.message(item, place)).collect()
                } else {
                    Ok(vec![self.message(&text, place)?])
                }
            }
        }
    }

    /// The texts of a list's items, or the whole text. What has templates need not be JSON before they are evaluated.
    fn items<'t>(&self, text: &'t str, templates: bool) -> Result<Vec<&'t str>, Problem> {
        if !text.trim_start().starts_with('[') {
            return Ok(vec![text]);
        }
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) if items.is_empty() => {
                Err(Problem::new(format!("{} is an empty list", self.place), "give at least one message"))
            }
            Ok(items) => Ok(items.into_iter().map(RawValue::get).collect()),
            Err(_) if templates && Template::is_in(text) => Ok(vec![text]),
            Err(error) => {
                Err(Problem::new(format!("{} is not JSON: {error}", self.place), "correct it there"))
            }
        }
    }

    fn message(&self, text: &str, place: Place) -> Result<Bytes, Problem> {
        // ghz sends an empty message where nothing is given.
        let text = if text.trim().is_empty() || text.trim() == "null" { "{}" } else { text };
        let message = json::encode(&self.descriptor, text).map_err(|error| {
            let rendered = if place.call.is_some() {
                format!("; the text was {}", shortened(text))
            } else {
                String::new()
            };
            Problem::new(
                format!("{}{place}: {error}{rendered}", self.place),
                "write the message as protobuf's JSON: https://protobuf.dev/programming-guides/json",
            )
        })?;
        self.encoding.frame(&message)
    }

    fn template_problem(&self, place: Place, error: &str) -> Problem {
        Problem::new(
            format!("{}{place}: the template is wrong at {error}", self.place),
            "see docs/ghz.md for what templates can do, or send {{…}} as it is with --disable-template-data",
        )
    }
}

/// Where in the data, and in which call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Which item of a list, from 0.
    pub(super) item: Option<usize>,
    /// Which call, from 0.
    pub(super) call: Option<u64>,
}

impl std::fmt::Display for Place {
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

/// As much of a text as an error message bears.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Items {
    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(messages) => messages.len(),
            Self::Templates(items) => items.len(),
        }
    }
}
