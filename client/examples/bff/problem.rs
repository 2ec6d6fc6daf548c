//! Errors as HTTP: a status code, and a JSON body for the developer of the phone's app.

use std::time::Duration;

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use inrush_client::{CallError, FieldViolation};
use serde::Serialize;

/// The message of a server error.
const SERVER_ERROR_MESSAGE: &str = "the shop cannot answer at present; it is safe to retry";

/// An error of the HTTP interface.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    reason: String,
    message: String,
    fields: Vec<FieldViolation>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), message: message.into(), fields: Vec::new(), retry_after: None }
    }

    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The JSON body.
    pub(crate) fn shape(&self) -> ProblemShape<'_> {
        let fields = self.fields.iter();
        let fields = fields.map(|field| FieldShape { field: &field.field, problem: &field.description });
        ProblemShape { reason: &self.reason, message: &self.message, fields: fields.collect() }
    }
}

impl From<CallError> for Problem {
    /// Invalid requests are explained; causes behind this backend are logged and not shown.
    fn from(error: CallError) -> Self {
        let (status, default_reason) = status(&error);
        let reason = error.reason().unwrap_or(default_reason).to_owned();
        let retry_after = error.failure().retry_after;
        let message = if status.is_server_error() {
            tracing::warn!(%error, "call to Inrush failed");
            SERVER_ERROR_MESSAGE.to_owned()
        } else {
            error.message().to_owned()
        };
        let fields = match error {
            CallError::InvalidArgument { violations, .. } => violations,
            _ => Vec::new(),
        };
        Self { status, reason, message, fields, retry_after }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), "BAD_BODY", rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.shape())).into_response();
        if let Some(delay) = self.retry_after {
            // Whole seconds, rounded up: a retry must not come early.
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `{"reason": "STABLE_WORD", "message": "…", "fields": [{"field": "units", "problem": "…"}]}`
#[derive(Debug, Serialize)]
pub(crate) struct ProblemShape<'a> {
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldShape<'a>>,
}

#[derive(Debug, Serialize)]
struct FieldShape<'a> {
    field: &'a str,
    problem: &'a str,
}

/// The status code, and a reason if the server gave none.
fn status(error: &CallError) -> (StatusCode, &'static str) {
    match error {
        CallError::InvalidArgument { .. } => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
        CallError::NotFound(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        CallError::AlreadyExists(_) => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
        CallError::FailedPrecondition(_) => (StatusCode::CONFLICT, "FAILED_PRECONDITION"),
        CallError::ResourceExhausted(_) => (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED"),
        CallError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        CallError::DeadlineExceeded(_) => (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
        // Inrush rejects the credentials of this backend, not of the phone.
        CallError::Unauthenticated(_) | CallError::PermissionDenied(_) => {
            (StatusCode::BAD_GATEWAY, "BAD_GATEWAY")
        }
        _ => (StatusCode::BAD_GATEWAY, "BAD_GATEWAY"),
    }
}
