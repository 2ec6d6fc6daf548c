//! Errors in two lines: what happened, and the remedy.

use std::fmt::Display;

use inrush_client::{CallError, ConnectError};
use inrush_runtime::exit::UsageError;

use crate::format;

/// A run that failed.
pub(crate) fn failure(wrong: impl Display, remedy: impl Display) -> anyhow::Error {
    anyhow::anyhow!(two_lines(wrong, remedy))
}

/// Wrong usage or configuration of a command.
pub(crate) fn usage(wrong: impl Display, remedy: impl Display) -> anyhow::Error {
    UsageError::new(two_lines(wrong, remedy)).into()
}

/// An invalid setting.
pub(crate) fn invalid_setting(wrong: impl Display) -> anyhow::Error {
    usage(wrong, "`inrush config` shows the source of each setting")
}

/// A client that cannot be created.
pub(crate) fn connection(error: &ConnectError) -> anyhow::Error {
    match error {
        ConnectError::Unreachable { .. } => failure(
            error,
            "is it running? start one with `inrush up`, or name another with --server or INRUSH_SERVER",
        ),
        other => usage(other, "see --server, --token-file and --ca-file in `inrush sale --help`"),
    }
}

/// A failed call. The remedy of the server's message is in terms of the protocol; the second line is in terms of
/// the command line.
pub(crate) fn call(error: &CallError, server: &str) -> anyhow::Error {
    failure(wrong(error), remedy(error, server))
}

/// What happened: the invalid fields if there are any, otherwise the error with its code.
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
            "pass the ticket as `inrush ticket enqueue` printed it, in quotes, or on standard input with -"
        }
        "TICKET_UNKNOWN" => "get a new one with `inrush ticket enqueue`",
        "SALE_NOT_FOUND" => "`inrush sale list` shows all sales",
        "SALE_EXISTS" => "see it with `inrush sale show`, change it with `inrush sale update`",
        "SALE_CLOSED" => "delete it with `inrush sale delete` to use its id again, or use another id",
        "SALE_NOT_CLOSED" => "close it with `inrush sale close`",
        "SALE_BUSY" => "`inrush sale show` shows what is left; `inrush sale discard` ends dead letters",
        "VERSION_CONFLICT" => "re-read the sale with `inrush sale show`, which prints the version, and retry",
        "DURABILITY_UNAVAILABLE" => "omit --durability, or set another --store for the front",
        "RESTORING" => "holders of lost tickets come first: try again in some seconds",
        "STORE_UNAVAILABLE" | "STORE_REFUSES_WRITES" | "STORE_ACCESS_DENIED" | "STORE_UNSUITABLE" => {
            "see the log of the front"
        }
        _ => return remedy_by_kind(error, server),
    };
    known.to_owned()
}

fn remedy_by_kind(error: &CallError, server: &str) -> String {
    match error {
        CallError::InvalidArgument { .. } => "see --help for valid values".to_owned(),
        CallError::NotFound(_) | CallError::AlreadyExists(_) | CallError::FailedPrecondition(_) => {
            "see the state of the sale with `inrush sale show`".to_owned()
        }
        CallError::ResourceExhausted(failure) | CallError::Unavailable(failure) => {
            match failure.retry_after {
                Some(delay) => format!("retry in {}; repeating is safe", format::duration(delay)),
                None => format!("is it running at {server}, and ready? repeating is safe"),
            }
        }
        CallError::DeadlineExceeded(_) => {
            "the call may have taken effect; repeating is safe, with a longer --timeout if needed".to_owned()
        }
        CallError::Unauthenticated(_) => "set a token with --token-file or INRUSH_CLIENT_TOKEN".to_owned(),
        CallError::PermissionDenied(_) => "use a token with the required scope".to_owned(),
        _ => format!("is {server} an Inrush front of this version? see its log"),
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
    fn an_error_of_a_call_has_two_lines() {
        for (error, remedy) in [
            (CallError::NotFound(failure(Code::NotFound, Some("SALE_NOT_FOUND"))), "inrush sale list"),
            (CallError::Other(failure(Code::Aborted, Some("VERSION_CONFLICT"))), "the version"),
            (CallError::Other(failure(Code::Internal, None)), "http://front:1"),
            (CallError::Unavailable(failure(Code::Unavailable, None)), "http://front:1"),
            (CallError::Unauthenticated(failure(Code::Unauthenticated, None)), "--token-file"),
        ] {
            let text = call(&error, "http://front:1").to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                matches!(lines.as_slice(), [wrong, what] if wrong.contains("it went wrong") && what.contains(remedy)),
                "{text}"
            );
        }
    }
}
