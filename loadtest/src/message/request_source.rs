//! Makes the requests of one thread.

use inrush_transport::{Error, Request};

/// Makes the requests of one thread.
pub trait RequestSource {
    /// The request of call `number` (from 0, over all threads and machines), made by `worker`.
    ///
    /// # Errors
    /// If a template cannot be evaluated, or its result does not fit the message. The error ends the run.
    fn request(&mut self, number: u64, worker: u32) -> Result<Request, Error>;
}
