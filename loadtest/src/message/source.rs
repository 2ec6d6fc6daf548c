//! The requests of one thread.

use std::rc::Rc;

use bytes::Bytes;

use super::{
    Body, Request, RequestSource,
    data::{Item, Items, Maker, Place},
    metadata::Metadata,
    variables::{CallData, Fixed},
};
use crate::problem::Problem;

/// Makes requests as a plan says.
pub(super) struct PlannedSource {
    /// Where metadata was given, for errors.
    pub(super) metadata_place: String,
    pub(super) metadata: Metadata,
    pub(super) fixed: Rc<Fixed>,
    pub(super) maker: Rc<Maker>,
    pub(super) items: Items,
    pub(super) streams: Streams,
}

/// How the messages of a call are chosen from the items.
#[derive(Debug, Clone, Copy)]
pub(super) enum Streams {
    /// One of them, in turn.
    OneEach,
    /// All of them, or so many, from the start again where they do not suffice.
    All {
        /// How many.
        count: Option<usize>,
        /// Templates are evaluated for every message, and not once for each call.
        dynamic: bool,
    },
}

impl RequestSource for PlannedSource {
    fn request(&mut self, number: u64, worker: u32) -> Result<Request, Problem> {
        let call = CallData::new(&self.fixed, number, worker);
        let metadata = self.metadata.of(number, &call).map_err(|error| {
            Problem::new(
                format!("{}, in call {number}: {error}", self.metadata_place),
                "see docs/ghz.md for what templates can do",
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
    fn one(&self, number: u64, call: &CallData<'_>) -> Result<Bytes, Problem> {
        match &self.items {
            Items::Ready(messages) => {
                messages.get(turn(number, messages.len())).cloned().ok_or_else(no_message)
            }
            Items::Templates(items) => {
                let place = turn(number, items.len());
                let mut made = self.made(items, place, number, call)?;
                if made.is_empty() {
                    Err(no_message())
                } else {
                    Ok(made.swap_remove(turn(number, made.len())))
                }
            }
        }
    }

    fn all(&self, number: u64, call: &CallData<'_>, count: Option<usize>) -> Result<Body, Problem> {
        let messages = match &self.items {
            Items::Ready(messages) => Rc::clone(messages),
            Items::Templates(items) => {
                let mut all = Vec::with_capacity(items.len());
                for place in 0..items.len() {
                    all.extend(self.made(items, place, number, call)?);
                }
                all.into()
            }
        };
        let count = count.unwrap_or(messages.len());
        Ok(Body::Many(Box::new(
            (0..count).filter_map(move |place| messages.get(place % messages.len().max(1)).cloned().map(Ok)),
        )))
    }

    /// Messages that are made when it is time to send them.
    fn dynamic(&self, number: u64, worker: u32, count: Option<usize>) -> Body {
        let (fixed, maker, items) = (Rc::clone(&self.fixed), Rc::clone(&self.maker), self.items.clone());
        let count = count.unwrap_or(items.len());
        Body::Many(Box::new((0..count).filter_map(move |sent| {
            let place = sent % items.len().max(1);
            match &items {
                Items::Ready(messages) => messages.get(place).cloned().map(Ok),
                Items::Templates(items) => {
                    let call = CallData::new(&fixed, number, worker);
                    let at = place_of(items, place, number);
                    let made = maker.make(items.get(place)?, at, &call);
                    made.map(|messages| messages.into_iter().next()).transpose()
                }
            }
        })))
    }

    fn made(
        &self,
        items: &[Item],
        place: usize,
        number: u64,
        call: &CallData<'_>,
    ) -> Result<Vec<Bytes>, Problem> {
        let item = items.get(place).ok_or_else(no_message)?;
        self.maker.make(item, place_of(items, place, number), call)
    }
}

fn place_of(items: &[Item], place: usize, number: u64) -> Place {
    Place { item: (items.len() > 1).then_some(place), call: Some(number) }
}

fn turn(number: u64, of: usize) -> usize {
    usize::try_from(number % of.max(1) as u64).unwrap_or(0)
}

fn no_message() -> Problem {
    Problem::new("the data has no message", "give at least one")
}
