//! The requests of a run: messages and metadata of every call.
//!
//! A [`RequestPlan`] describes them for all threads and machines; each thread makes its requests with a
//! [`RequestSource`] of its own. Messages without templates are encoded when the source is created, all others when they
//! are sent.

mod binary;
mod data;
mod encoding;
mod functions;
mod json;
mod metadata;
mod plan;
mod request_source;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod variables;

pub use encoding::framed;
pub use functions::names as function_names;
pub use metadata::plain_metadata;
pub use plan::{Data, Given, RequestPlan, Templates};
pub use request_source::RequestSource;
pub use variables::VARIABLES;
