//! Errors in two lines: what is wrong, and what to do about it.

use std::fmt::Display;

use inrush_client::{CallError, ConnectError};
use inrush_runtime::exit::UsageError;

use crate::readable;

/// A run that failed.
pub(crate) fn failed(wrong: impl Display, remedy: impl Display) -> anyhow::Error {
    anyhow::anyhow!(two_lines(wrong, remedy))
}

/// A mistake in how a command was called or configured.
pub(crate) fn misused(wrong: impl Display, remedy: impl Display) -> anyhow::Error {
    UsageError::new(two_lines(wrong, remedy)).into()
}

/// A setting that breaks its rule.
pub(crate) fn of_setting(wrong: impl Display) -> anyhow::Error {
    misused(wrong, "`inrush config` tells where each setting comes from")
}

/// A client that could not be made.
pub(crate) fn of_connection(error: &ConnectError) -> anyhow::Error {
    match error {
        ConnectError::Unreachable { .. } => failed(
            error,
            "is it running? start one with `inrush up`, or name another with --server or INRUSH_SERVER",
        ),
        other => misused(other, "see --server, --token-file and --ca-file in `inrush sale --help`"),
    }
}

/// A call that failed. The server's message often says what to do in the words of the protocol; the second line says it
/// in those of the command line.
pub(crate) fn of_call(error: &CallError, server: &str) -> anyhow::Error {
    failed(wrong(error), remedy(error, server))
}

/// What is wrong: the fields that break a rule where there are some, otherwise the failure with its code.
fn wrong(error: &CallError) -> String {
    match error {
        CallError::InvalidArgument { violations, .. } if !violations.is_empty() => {
            let broken: Vec<String> = violations
                .iter()
                .map(|violation| format!("{}: {}", violation.field, violation.description))
                .collect();
            broken.join("; ")
        }
        other => other.failure().to_string(),
    }
}

fn remedy(error: &CallError, server: &str) -> String {
    let known = match error.reason().unwrap_or_default() {
        "INVALID_TICKET" => {
            "give the ticket as `inrush ticket enqueue` printed it, in quotes or with - on standard input"
        }
        "TICKET_UNKNOWN" => "get a new one with `inrush ticket enqueue`",
        "SALE_NOT_FOUND" => "`inrush sale list` shows the sales there are",
        "SALE_EXISTS" => "see it with `inrush sale show`, change it with `inrush sale update`",
        "SALE_NOT_CLOSED" => "close it with `inrush sale close`",
        "SALE_BUSY" => {
            "see what is left with `inrush sale show`; dead letters are ended with `inrush sale discard`"
        }
        "VERSION_CONFLICT" => "`inrush sale show` tells its version",
        "DURABILITY_UNAVAILABLE" => "leave --durability out, or choose another --store for the front",
        "STORE_UNAVAILABLE" | "STORE_UNSUITABLE" => "the front's log tells what is wrong with its store",
        _ => return remedy_by_kind(error, server),
    };
    known.to_owned()
}

fn remedy_by_kind(error: &CallError, server: &str) -> String {
    match error {
        CallError::InvalidArgument { .. } => "--help explains what can be given".to_owned(),
        CallError::NotFound(_) | CallError::AlreadyExists(_) | CallError::FailedPrecondition(_) => {
            "`inrush sale show` tells what the sale is doing".to_owned()
        }
        CallError::ResourceExhausted(failure) | CallError::Unavailable(failure) => {
            match failure.retry_after {
                Some(pause) => format!("try again in {}; repeating is safe", readable::duration(pause)),
                None => format!("is it running at {server}, and ready? repeating is safe"),
            }
        }
        CallError::DeadlineExceeded(_) => {
            "it may have happened all the same; repeating is safe, with a longer --timeout if need be"
                .to_owned()
        }
        CallError::Unauthenticated(_) => "give a token with --token-file or INRUSH_CLIENT_TOKEN".to_owned(),
        CallError::PermissionDenied(_) => "use a token with the scope that this needs".to_owned(),
        _ => format!("is {server} a front of Inrush, of this version? its log tells more"),
    }
}

fn two_lines(wrong: impl Display, remedy: impl Display) -> String {
    format!("{wrong}\n  {remedy}")
}

#[cfg(test)]
mod tests {
    use inrush_client::{Code, Ended, Failure};

    use super::*;

    fn failure(code: Code, reason: Option<&str>) -> Box<Failure> {
        Box::new(Failure {
            code,
            reason: reason.map(str::to_owned),
            message: "it went wrong".to_owned(),
            retry_after: None,
            attempts: 1,
            ended: Ended::NotRetryable,
        })
    }

    #[test]
    fn a_failed_call_is_two_lines() {
        for (error, remedy) in [
            (CallError::NotFound(failure(Code::NotFound, Some("SALE_NOT_FOUND"))), "inrush sale list"),
            (CallError::Other(failure(Code::Aborted, Some("VERSION_CONFLICT"))), "its version"),
            (CallError::Other(failure(Code::Internal, None)), "http://front:1"),
            (CallError::Unavailable(failure(Code::Unavailable, None)), "http://front:1"),
            (CallError::Unauthenticated(failure(Code::Unauthenticated, None)), "--token-file"),
        ] {
            let text = of_call(&error, "http://front:1").to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                matches!(lines.as_slice(), [wrong, what] if wrong.contains("it went wrong") && what.contains(remedy)),
                "{text}"
            );
        }
    }
}
