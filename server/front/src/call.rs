//! One call, from its head to its last byte.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::Request;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::{services::Services, settings::FrontSettings, status::Failure, trace_context::TraceContext};

mod answer;
mod counts;
mod deadline;
mod incoming;
mod places;
mod unary;

pub use self::counts::CallCounts;
use self::places::Places;
pub(crate) use self::{
    answer::Answer,
    deadline::Deadline,
    incoming::Incoming,
    unary::{encode, read_message},
};

/// What a service knows of a call beside its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When the answer is worth nothing any more.
    pub(crate) deadline: Deadline,
    /// The caller's trace context, if the caller samples this call.
    pub(crate) trace: Option<TraceContext>,
}

impl Arrival {
    /// That of a call that a service of tonic's has been given.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        let none = || Self { deadline: Deadline::at(Instant::now()), trace: None };
        request.extensions().get().copied().unwrap_or_else(none)
    }
}

/// The calls of one core.
pub(crate) struct Calls {
    services: Services,
    places: Places,
    default_deadline: Duration,
    counts: CallCounts,
}

impl Calls {
    /// Calls to these services.
    pub(crate) fn new(services: Services, settings: &FrontSettings, counts: CallCounts) -> Self {
        let places = Places::new(settings.max_in_flight);
        Self { services, places, default_deadline: settings.default_deadline, counts }
    }

    /// Answers a call, in a task of its own.
    pub(crate) fn begin(calls: &Arc<Self>, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        // Not at the level of operators: a rush is a hundred thousand calls a second.
        let span = tracing::debug_span!("call", rpc.method = request.uri().path());
        let calls = Arc::clone(calls);
        tokio::spawn(async move { calls.attend(request, respond).await }.instrument(span));
    }

    async fn attend(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        // A caller who hangs up is neither an answer nor a failure, but counted.
        let unanswered = self.counts.begin();
        let hung_up = poll_fn(|context| respond.poll_reset(context));
        let answer = tokio::select! {
            biased;
            answer = self.answer(request) => answer,
            _reason = hung_up => return,
        };
        unanswered.answered();
        answer.send(respond).await;
    }

    /// What every call passes on its way in, in this order.
    async fn answer(&self, request: Request<RecvStream>) -> Answer {
        // Whoever asks with no time left is told so at once, and nobody waits for longer than the time given.
        let deadline = Deadline::given(request.headers(), self.default_deadline);
        if deadline.has_passed() {
            return Failure::DeadlineExceeded.into();
        }
        // Beyond what the core can bear, a cheap and complete answer is better than a late one.
        let Some(_place) = self.places.take(request.uri().path()) else {
            self.counts.count_shed();
            return Failure::Overloaded.into();
        };
        // The caller's trace context, for those who keep it.
        let arrival = Arrival { deadline, trace: TraceContext::read(request.headers()) };
        // A timer is set only if the first look finds no answer: refusals from memory never need one.
        let answered = timeout_at(deadline.instant(), self.services.serve(request, arrival)).await;
        answered.unwrap_or_else(|_elapsed| Failure::DeadlineExceeded.into())
    }
}
