//! Plans and results as the bytes of messages.

use bytes::Bytes;
use inrush_report::measure::Results;
use inrush_transport::Error;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use super::v1::{Failed, ResultsPart, RunResponse, run_response::Step};

/// Version of this program. Plans and results are exchanged only between equal versions.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Maximum length of a message between coordinator and agent, in bytes. A plan contains the messages of its calls.
pub(super) const MAX_MESSAGE_SIZE: usize = 64 * 1024 * 1024;

/// Length of the parts in which results are sent.
const PART_SIZE: usize = 1024 * 1024;

/// Maximum length of results, in bytes.
const MAX_RESULTS_SIZE: usize = 512 * 1024 * 1024;

/// Encodes a value as JSON.
pub(super) fn encode(value: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        Error::new(format!("cannot encode as JSON: {error}"), "this is a bug in inrush-loadtest: report it")
    })
}

/// The reverse of [`encode`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(bytes).map_err(|error| Status::invalid_argument(format!("invalid JSON: {error}")))
}

/// The messages that carry the results.
pub(super) fn results(results: &Results) -> Result<Vec<RunResponse>, Error> {
    let mut bytes = encode(results)?;
    let mut messages = Vec::with_capacity(bytes.len() / PART_SIZE + 1);
    loop {
        let part = bytes.split_to(PART_SIZE.min(bytes.len()));
        let last = bytes.is_empty();
        messages.push(response(Step::Results(ResultsPart { part, last })));
        if last {
            return Ok(messages);
        }
    }
}

/// Assembles results from their parts.
#[derive(Default)]
pub(super) struct Assembly(Vec<u8>);

impl Assembly {
    /// Adds a part. Returns the results after the last one.
    pub(super) fn push(&mut self, part: &ResultsPart) -> Result<Option<Results>, Status> {
        if self.0.len() + part.part.len() > MAX_RESULTS_SIZE {
            return Err(Status::resource_exhausted("the results are too large: reduce --details"));
        }
        self.0.extend_from_slice(&part.part);
        if part.last { decode(&std::mem::take(&mut self.0)).map(Some) } else { Ok(None) }
    }
}

/// The message of one step of an agent.
pub(super) fn response(step: Step) -> RunResponse {
    RunResponse { step: Some(step) }
}

/// The message for a run that could not be made.
pub(super) fn failed(error: &Error) -> RunResponse {
    let (message, remedy) = (error.wrong().to_owned(), error.remedy().to_owned());
    response(Step::Failed(Failed { message, remedy }))
}
