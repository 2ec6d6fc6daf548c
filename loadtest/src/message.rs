//! What is sent: messages and metadata of every call.
//!
//! A [`RequestPlan`] says it once, for all threads and machines; each thread makes its requests with a [`RequestSource`]
//! of its own. Messages without templates are encoded when the source is made, all others when it is time to send them.

mod binary;
mod data;
mod encoding;
mod functions;
mod json;
mod metadata;
mod plan;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod variables;

use crate::problem::Problem;

pub use inrush_transport::{Body, Request};

pub use encoding::framed;
pub use functions::names as function_names;
pub use metadata::plain_metadata;
pub use plan::{Data, Given, RequestPlan, Templates};
pub use variables::VARIABLES;

/// Makes the requests of one thread.
pub trait RequestSource {
    /// The request of call `number` (from 0, over all threads and machines), made by `worker`.
    ///
    /// # Errors
    /// When a template cannot be evaluated, or what it gives does not fit the message. The run then ends.
    fn request(&mut self, number: u64, worker: u32) -> Result<Request, Problem>;
}
