//! The plan of a run.

use std::{num::NonZero, thread, time::Duration};

use inrush_transport::{CallKind, Endpoint};
use serde::{Deserialize, Serialize};

use crate::schedule::{ConcurrencySchedule, RateSchedule};

/// The plan of a run, without the content of its calls. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The server.
    pub endpoint: Endpoint,
    /// The path of the method: `/package.Service/Method`.
    pub path: String,
    /// Which messages of the method are streams.
    pub kind: CallKind,
    /// When calls are made.
    pub load: Load,
    /// When the run ends.
    pub stop: Stop,
    /// Time limit of each call.
    pub timeout: Option<Duration>,
    /// How streams are paced.
    pub streaming: Streaming,
    /// Messages are compressed with gzip: the source compresses them, the transport declares it.
    pub compressed: bool,
    /// Number of connections over all machines. `None`: one per thread.
    pub connections: Option<usize>,
    /// Maximum number of threads. `None`: one per core. There are never more threads than connections, or than workers of
    /// a closed loop.
    pub threads: Option<usize>,
    /// What is recorded.
    pub recording: Recording,
}

impl Plan {
    /// Maximum number of threads on this machine.
    pub fn max_threads(&self) -> usize {
        self.threads.unwrap_or_else(cores)
    }

    /// Number of threads that make the calls of a share.
    pub fn thread_count(&self, share: Share) -> usize {
        let workers = match &self.load {
            Load::Closed { workers, .. } => workers.max(),
            Load::Open { max_in_flight, .. } => Some(*max_in_flight),
        };
        let workers = workers.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let connections = self.connections_of(share).unwrap_or(usize::MAX);
        self.max_threads().min(workers).min(connections).max(1)
    }

    /// Number of connections that the machine of a share opens. `None`: one per thread.
    pub fn connections_of(&self, share: Share) -> Option<usize> {
        let machines = usize::try_from(share.total).unwrap_or(usize::MAX).max(1);
        self.connections.map(|all| all.div_ceil(machines).max(1))
    }
}

/// Number of cores that this machine has for the run.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// When calls are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// By workers that each wait for an answer before their next call.
    Closed {
        /// The number of workers.
        workers: ConcurrencySchedule,
        /// An additional limit of the rate.
        pace: Option<RateSchedule>,
    },
    /// At planned times, however slow the answers are.
    Open {
        /// The planned times.
        rate: RateSchedule,
        /// Maximum number of calls in flight. Beyond it, due calls count as unsent.
        max_in_flight: u32,
    },
}

/// When no more calls are made. The limit that is reached first ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// After this number of calls.
    pub calls: Option<u64>,
    /// After this time.
    pub duration: Option<Duration>,
    /// What happens to the calls in flight at the end of the duration.
    pub at_duration: AtDuration,
}

/// What happens to the calls in flight at the end of the duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AtDuration {
    /// They are cancelled and count as failed.
    Close,
    /// The run waits for them.
    Wait,
    /// They are cancelled and not counted.
    Ignore,
}

/// How streams are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Streaming {
    /// Time between two messages of a call.
    pub interval: Duration,
    /// When the client ends a stream.
    pub call_duration: Option<Duration>,
    /// The client ends a call after this number of messages of the answer.
    pub receive_count: Option<u32>,
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Calls with an earlier planned time are made and not counted.
    pub warm_up: Duration,
    /// This number of first calls is made and not counted.
    pub skip_first: u64,
    /// Maximum number of single calls that are recorded.
    pub details: usize,
}

/// The part of a run that one machine makes: of `total` machines it is number `index`, from 0, and makes every
/// `total`-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The index of the part, from 0.
    pub index: u32,
    /// The number of parts.
    pub total: u32,
}

impl Share {
    /// The whole run.
    pub const WHOLE: Self = Self { index: 0, total: 1 };
}
