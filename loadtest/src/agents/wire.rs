//! Plans and results as bytes.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use super::v1::{Failed, Measured, RunResponse, run_response::Step};
use crate::{measure::Results, problem::Problem};

/// This version of the tool. Plans and results have the form that it gives them.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest message between coordinator and agents, in bytes: a plan carries the messages of its calls.
pub(super) const LONGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// Results are sent in parts of this many bytes.
const PART: usize = 1024 * 1024;

/// The longest results that are taken in, in bytes.
const LONGEST_RESULTS: usize = 512 * 1024 * 1024;

/// As JSON.
pub(super) fn encoded(value: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        Problem::new(format!("it cannot be written as JSON: {error}"), "this is a fault of the load tool")
    })
}

/// The reverse of [`encoded`].
pub(super) fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("it cannot be understood: {error}")))
}

/// Results, in parts.
pub(super) fn measured(results: &Results) -> Result<Vec<RunResponse>, Problem> {
    let mut bytes = encoded(results)?;
    let mut parts = Vec::with_capacity(bytes.len() / PART + 1);
    loop {
        let part = bytes.split_to(PART.min(bytes.len()));
        let last = bytes.is_empty();
        parts.push(response(Step::Measured(Measured { part, last })));
        if last {
            return Ok(parts);
        }
    }
}

/// Puts results together from their parts.
#[derive(Default)]
pub(super) struct Assembly(Vec<u8>);

impl Assembly {
    /// Takes in a part. Gives the results after the last.
    pub(super) fn take(&mut self, part: &Measured) -> Result<Option<Results>, Status> {
        if self.0.len() + part.part.len() > LONGEST_RESULTS {
            return Err(Status::resource_exhausted("the results are too long: keep fewer --details"));
        }
        self.0.extend_from_slice(&part.part);
        if part.last { decoded(&std::mem::take(&mut self.0)).map(Some) } else { Ok(None) }
    }
}

/// A step of an agent.
pub(super) fn response(step: Step) -> RunResponse {
    RunResponse { step: Some(step) }
}

/// Why an agent's run could not be made.
pub(super) fn failed(problem: &Problem) -> RunResponse {
    response(Step::Failed(Failed { wrong: problem.wrong().to_owned(), remedy: problem.remedy().to_owned() }))
}
