//! One call, from its head to its last byte.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::Request;
use inrush_runtime::trace_context::TraceContext;
use opentelemetry::context::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};
use tracing::Instrument as _;

use crate::{
    call_error::CallError,
    metrics::{CoreMetrics, ShedReason},
    services::{Call, Services},
    settings::FrontSettings,
    spans::Spans,
};

mod answer;
mod course;
mod deadline;
mod incoming;
mod places;
mod refusals;
mod unary;

pub(crate) use self::{
    answer::Answer,
    deadline::Deadline,
    incoming::Incoming,
    unary::{encode, read_message},
};
use self::{
    course::{Course, Watcher},
    places::{Place, Places},
    refusals::Refusals,
};

/// What a service knows of a call beside its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallMeta {
    /// When the answer is worth nothing any more.
    pub(crate) deadline: Deadline,
    /// The span that what is done for it belongs to, if it is traced.
    pub(crate) trace: Option<TraceContext>,
}

impl CallMeta {
    /// That of a call that a service of tonic's has been given.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        let none = || Self { deadline: Deadline::at(Instant::now()), trace: None };
        request.extensions().get().copied().unwrap_or_else(none)
    }
}

/// The calls of one core.
pub(crate) struct Calls {
    services: Services,
    places: Arc<Places>,
    default_deadline: Duration,
    watcher: Watcher,
    refusals: Refusals,
}

impl Calls {
    /// Calls to these services.
    pub(crate) fn new(
        services: Services,
        settings: &FrontSettings,
        metrics: CoreMetrics,
        spans: Spans,
    ) -> Self {
        let places = Arc::new(Places::new(settings.max_in_flight));
        let default_deadline = settings.default_deadline;
        let CoreMetrics { calls: durations, counts, sales: _ } = metrics;
        let watcher = Watcher { durations, spans, counts };
        Self { services, places, default_deadline, watcher, refusals: Refusals::overloaded() }
    }

    /// Begins a call: what can be said at once is, and the rest is a task of its own. That task holds nothing of the call's
    /// head: what is kept until the answer is copied on the way there, and paid for by every call.
    pub(crate) fn begin(calls: &Arc<Self>, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let course = calls.watcher.begin(&request);
        match calls.receive(&request, &course) {
            Ok((arrival, place)) => {
                // Not at the level of operators: a rush is a hundred thousand calls a second.
                let span = tracing::debug_span!("call", rpc.method = request.uri().path());
                let call = Services::sort(course.method(), request, arrival);
                let context = course.context();
                let attended =
                    attend(Arc::clone(calls), (course, place), call, arrival, respond).instrument(span);
                match context {
                    None => tokio::spawn(attended),
                    Some(context) => tokio::spawn(attended.with_context(context)),
                };
            }
            Err(failure) => calls.watcher.end(&course, calls.refuse(failure, respond)),
        }
    }

    /// Says why there is no answer. Gives the code of what was said.
    fn refuse(&self, failure: CallError, respond: SendResponse<Bytes>) -> Code {
        let code = failure.code();
        let head = if failure == CallError::Overloaded {
            self.refusals.next()
        } else {
            Status::from(failure).into_http()
        };
        Answer::refuse(head, respond);
        code
    }

    /// What every call passes on its way in, in this order.
    fn receive(
        &self,
        request: &Request<RecvStream>,
        course: &Course,
    ) -> Result<(CallMeta, Place), CallError> {
        // Whoever asks with no time left is told so at once.
        let deadline = Deadline::given(request.headers(), self.default_deadline);
        if deadline.has_passed() {
            return Err(CallError::DeadlineExceeded);
        }
        // Beyond what the core can bear, a cheap and complete answer is better than a late one.
        let place = Places::take(&self.places, request.uri().path()).ok_or_else(|| {
            self.watcher.counts.shed(ShedReason::InFlight);
            CallError::Overloaded
        })?;
        Ok((CallMeta { deadline, trace: course.trace() }, place))
    }
}

/// Waits for a call's answer and sends it.
async fn attend(
    calls: Arc<Calls>,
    (course, place): (Course, Place),
    call: Call,
    arrival: CallMeta,
    mut respond: SendResponse<Bytes>,
) {
    let is_watch = call.is_watch();
    // A caller who hangs up is neither an answer nor a failure, but counted.
    let mut underway = calls.watcher.attend(course);
    // Nobody waits for longer than the time given. A timer is set only if the first look finds no answer: refusals from
    // memory never need one.
    let answer = timeout_at(arrival.deadline.instant(), calls.services.serve(call, arrival));
    let hung_up = poll_fn(|context| respond.poll_reset(context));
    let answer = tokio::select! {
        biased;
        answer = answer => answer.unwrap_or(Err(CallError::DeadlineExceeded)),
        _reason = hung_up => return,
    };
    // From here on a watch takes one of the places for watches, and is idle nearly always.
    let _place = (!is_watch).then_some(place);
    if is_watch {
        underway.rest();
    }
    underway.end(match answer {
        Ok(answer) => answer.send(respond).await,
        Err(failure) => calls.refuse(failure, respond),
    });
}
