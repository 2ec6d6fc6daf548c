//! The error of a call, in the kinds that callers handle differently.

use std::{fmt, time::Duration};

use inrush_proto::code_name;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::attempt::{AttemptError, Origin};

/// A call without an answer, or whose answer is an error.
///
/// Business outcomes (sold out, too late to cancel) are never errors.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request is invalid; the same request will always fail.
    #[error("{failure}{}", listed(failure, violations))]
    InvalidArgument {
        /// The invalid fields.
        violations: Vec<FieldViolation>,
        /// The failure.
        failure: Box<Failure>,
    },
    /// No such sale or ticket.
    #[error("{0}")]
    NotFound(Box<Failure>),
    /// It exists already, with other settings.
    #[error("{0}")]
    AlreadyExists(Box<Failure>),
    /// Not in the required state, such as deleting an open sale.
    #[error("{0}")]
    FailedPrecondition(Box<Failure>),
    /// This caller has exceeded its rate.
    #[error("{0}")]
    ResourceExhausted(Box<Failure>),
    /// Inrush could not be reached, is shedding load or draining, or its store is unavailable.
    #[error("{0}")]
    Unavailable(Box<Failure>),
    /// No answer in time. The request may have taken effect; repeating it is safe.
    #[error("{0}")]
    DeadlineExceeded(Box<Failure>),
    /// The credentials are missing or invalid.
    #[error("{0}")]
    Unauthenticated(Box<Failure>),
    /// The credentials do not allow this call.
    #[error("{0}")]
    PermissionDenied(Box<Failure>),
    /// Anything else, such as a defect of the server.
    #[error("{0}")]
    Other(Box<Failure>),
}

impl CallError {
    /// The details, for every kind.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::InvalidArgument { failure, .. }
            | Self::NotFound(failure)
            | Self::AlreadyExists(failure)
            | Self::FailedPrecondition(failure)
            | Self::ResourceExhausted(failure)
            | Self::Unavailable(failure)
            | Self::DeadlineExceeded(failure)
            | Self::Unauthenticated(failure)
            | Self::PermissionDenied(failure)
            | Self::Other(failure) => failure,
        }
    }

    /// The stable reason from the server's ErrorInfo (domain `inrush`), if it has one.
    pub fn reason(&self) -> Option<&str> {
        self.failure().reason.as_deref()
    }

    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        &self.failure().message
    }

    /// Whether the same call may succeed later: no answer, overload, or rate exceeded.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::DeadlineExceeded(_) => true,
            Self::ResourceExhausted(failure) => failure.retry_after.is_some(),
            Self::InvalidArgument { .. }
            | Self::NotFound(_)
            | Self::AlreadyExists(_)
            | Self::FailedPrecondition(_)
            | Self::Unauthenticated(_)
            | Self::PermissionDenied(_)
            | Self::Other(_) => false,
        }
    }

    /// The error of a call whose last attempt failed.
    pub(crate) fn last_attempt(error: AttemptError, attempts: u32, ended: Ended) -> Self {
        let AttemptError { status, origin, .. } = error;
        let retry_after = retry_info(&status);
        let details = status.get_error_details();
        let code = match origin {
            Origin::Server | Origin::Caller => status.code(),
            Origin::Transport => Code::Unavailable,
            Origin::Timer => Code::DeadlineExceeded,
        };
        let failure = Box::new(Failure {
            code,
            reason: details.error_info().map(|info| info.reason.clone()),
            message: status.message().to_owned(),
            retry_after,
            attempts,
            ended,
        });
        let violations = details.bad_request().map(|request| request.field_violations.as_slice());
        Self::of_kind(code, failure, violations.unwrap_or_default())
    }

    /// The same failure as the last of `attempts`, after too long without an answer.
    pub(crate) fn after_no_answer(mut self, attempts: u32) -> Self {
        let failure = self.failure_mut();
        failure.attempts = attempts;
        failure.ended = Ended::NoAnswer;
        self
    }

    /// A reply that breaks the protocol.
    pub(crate) fn malformed(what: &str) -> Self {
        Self::Other(Box::new(Failure {
            code: Code::Internal,
            reason: None,
            message: format!("malformed reply from Inrush: {what}; check that the versions are compatible"),
            retry_after: None,
            attempts: 1,
            ended: Ended::NotRetryable,
        }))
    }

    fn failure_mut(&mut self) -> &mut Failure {
        match self {
            Self::InvalidArgument { failure, .. }
            | Self::NotFound(failure)
            | Self::AlreadyExists(failure)
            | Self::FailedPrecondition(failure)
            | Self::ResourceExhausted(failure)
            | Self::Unavailable(failure)
            | Self::DeadlineExceeded(failure)
            | Self::Unauthenticated(failure)
            | Self::PermissionDenied(failure)
            | Self::Other(failure) => failure,
        }
    }

    fn of_kind(code: Code, failure: Box<Failure>, violations: &[tonic_types::FieldViolation]) -> Self {
        match code {
            Code::InvalidArgument => Self::InvalidArgument {
                violations: violations.iter().map(FieldViolation::from).collect(),
                failure,
            },
            Code::NotFound => Self::NotFound(failure),
            Code::AlreadyExists => Self::AlreadyExists(failure),
            Code::FailedPrecondition => Self::FailedPrecondition(failure),
            Code::ResourceExhausted => Self::ResourceExhausted(failure),
            Code::Unavailable => Self::Unavailable(failure),
            Code::DeadlineExceeded => Self::DeadlineExceeded(failure),
            Code::Unauthenticated => Self::Unauthenticated(failure),
            Code::PermissionDenied => Self::PermissionDenied(failure),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Self::Other(failure),
        }
    }
}

/// The details of a failed call.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The gRPC code. A broken connection is UNAVAILABLE, a timeout on this side DEADLINE_EXCEEDED.
    pub code: Code,
    /// The stable reason from the server's ErrorInfo.
    pub reason: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
    /// The delay that an overloaded server asks for.
    pub retry_after: Option<Duration>,
    /// The number of attempts.
    pub attempts: u32,
    /// Why there was no further attempt.
    pub ended: Ended,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = code_name(self.code);
        // Without a better one, the server gives the code as the reason.
        let kind = match self.reason.as_deref() {
            Some(reason) if reason != name => format!("{name}, {reason}"),
            _ => name.to_owned(),
        };
        match self.message.as_str() {
            "" => formatter.write_str(&kind)?,
            message => write!(formatter, "{message} ({kind})")?,
        }
        match self.ended {
            Ended::NotRetryable => Ok(()),
            ended => {
                let plural = if self.attempts == 1 { "" } else { "s" };
                write!(formatter, "; gave up after {} attempt{plural}: {ended}", self.attempts)
            }
        }
    }
}

/// Why a failed call was not retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// A retry would fail in the same way.
    NotRetryable,
    /// All attempts of the retry policy are used.
    AttemptsUsed,
    /// The call's deadline leaves no time for another attempt.
    OutOfTime,
    /// The retry budget is used up by retries of recent calls.
    BudgetSpent,
    /// `follow` or `watch` had no answer for the policy's `no_answer_timeout`.
    NoAnswer,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotRetryable => "not retryable",
            Self::AttemptsUsed => "all attempts of the retry policy used",
            Self::OutOfTime => "deadline too close for another attempt",
            Self::BudgetSpent => "retry budget used up by recent calls",
            Self::NoAnswer => "no answer within the retry policy's no_answer_timeout",
        })
    }
}

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The name of the field in the protocol.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl From<&tonic_types::FieldViolation> for FieldViolation {
    fn from(violation: &tonic_types::FieldViolation) -> Self {
        Self { field: violation.field.clone(), description: violation.description.clone() }
    }
}

/// The delay that an overloaded server asks for in its RetryInfo.
pub(crate) fn retry_info(status: &tonic::Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// The violations that the message does not contain.
fn listed(failure: &Failure, violations: &[FieldViolation]) -> String {
    violations
        .iter()
        .filter(|violation| !failure.message.contains(&violation.description))
        .map(|violation| format!("; {}: {}", violation.field, violation.description))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_contain_the_failure_and_why_it_was_not_retried() {
        let mut failure = Failure {
            code: Code::Unavailable,
            reason: Some("STORE_AWAY".into()),
            message: "the store does not answer".into(),
            retry_after: None,
            attempts: 3,
            ended: Ended::BudgetSpent,
        };
        assert_eq!(
            failure.to_string(),
            "the store does not answer (UNAVAILABLE, STORE_AWAY); gave up after 3 attempts: \
             retry budget used up by recent calls"
        );
        failure = Failure { reason: None, message: String::new(), ended: Ended::NotRetryable, ..failure };
        assert_eq!(failure.to_string(), "UNAVAILABLE");
        failure.reason = Some("UNAVAILABLE".into());
        assert_eq!(failure.to_string(), "UNAVAILABLE");
    }

    #[test]
    fn violations_are_listed_unless_the_message_contains_them() {
        let violations = ["units", "payload"].map(|field| FieldViolation {
            field: field.to_owned(),
            description: format!("{field} must be less"),
        });
        let failure = Box::new(Failure {
            code: Code::InvalidArgument,
            reason: None,
            message: "units: units must be less".into(),
            retry_after: None,
            attempts: 1,
            ended: Ended::NotRetryable,
        });
        let error = CallError::InvalidArgument { violations: violations.to_vec(), failure };
        assert_eq!(
            error.to_string(),
            "units: units must be less (INVALID_ARGUMENT); payload: payload must be less"
        );
    }

    #[test]
    fn errors_are_small_enough_to_return_by_value() {
        assert!(size_of::<CallError>() <= 40, "{}", size_of::<CallError>());
    }
}
