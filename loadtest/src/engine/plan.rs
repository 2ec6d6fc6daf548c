//! What a run is to do.

use std::{num::NonZero, thread, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    schedule::{ConcurrencySchedule, RateSchedule},
    transport::{CallKind, Endpoint},
};

/// A run, apart from what its calls carry. It can be sent to other machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The server.
    pub endpoint: Endpoint,
    /// The method's path: `/package.Service/Method`.
    pub path: String,
    /// Which messages of the method are streams.
    pub kind: CallKind,
    /// When calls are made.
    pub load: Load,
    /// When no more are made.
    pub stop: Stop,
    /// How long each call may take.
    pub timeout: Option<Duration>,
    /// How streams are paced.
    pub streaming: Streaming,
    /// Messages are compressed with gzip: the source does it, the transport says so.
    pub compressed: bool,
    /// How many connections, over all machines; none: one for each thread.
    pub connections: Option<usize>,
    /// How many threads at most; none: one for each core of the machine. Never more than connections, or than workers of
    /// a closed loop.
    pub threads: Option<usize>,
    /// What is recorded.
    pub recording: Recording,
}

impl Plan {
    /// How many threads of this machine may make calls.
    pub fn threads_here(&self) -> usize {
        self.threads.unwrap_or_else(cores)
    }

    /// How many threads make the calls of a share.
    pub fn lanes(&self, share: Share) -> usize {
        let workers = match &self.load {
            Load::Closed { workers, .. } => workers.most(),
            Load::Open { max_in_flight, .. } => Some(*max_in_flight),
        };
        let workers = workers.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let connections = self.connections_of(share).unwrap_or(usize::MAX);
        self.threads_here().min(workers).min(connections).max(1)
    }

    /// How many connections the machine of a share opens; none: one for each thread.
    pub fn connections_of(&self, share: Share) -> Option<usize> {
        let machines = usize::try_from(share.of).unwrap_or(usize::MAX).max(1);
        self.connections.map(|all| all.div_ceil(machines).max(1))
    }
}

/// How many cores this machine has for the run.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// When calls are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// Workers that each wait for an answer before they call again.
    Closed {
        /// How many workers.
        workers: ConcurrencySchedule,
        /// Calls are not made faster than this, either.
        pace: Option<RateSchedule>,
    },
    /// At planned times, however slow the answers are.
    Open {
        /// The planned times.
        rate: RateSchedule,
        /// Calls in flight, beyond which a due call counts as unsent.
        max_in_flight: u32,
    },
}

/// When no more calls are made: whatever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// After so many calls.
    pub calls: Option<u64>,
    /// After this time.
    pub duration: Option<Duration>,
    /// What becomes of the calls that are in flight when the time is over.
    pub at_duration: AtDuration,
}

/// What becomes of calls in flight when the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AtDuration {
    /// They are cut off, and count as failed.
    Close,
    /// They may end.
    Wait,
    /// They are cut off, and do not count.
    Ignore,
}

/// How streams are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Streaming {
    /// Time between two messages of a call.
    pub interval: Duration,
    /// When the client ends a stream.
    pub call_duration: Option<Duration>,
    /// After how many messages of an answer the client ends a call.
    pub receive_count: Option<u32>,
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Calls planned for during this time are made and left out.
    pub warm_up: Duration,
    /// So many first calls are made and left out.
    pub skip_first: u64,
    /// How many single calls are kept.
    pub details: usize,
}

/// The part of a run that one machine makes: of `of` machines it is number `index`, from 0, and makes every `of`-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which part.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}
