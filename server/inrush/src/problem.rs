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

/// A call that failed.
pub(crate) fn of_call(error: &CallError, server: &str) -> anyhow::Error {
    let remedy = match error {
        CallError::InvalidArgument { .. } => {
            "change what was given; the flags are explained by --help".to_owned()
        }
        CallError::NotFound(_) => "`inrush sale list` shows the sales there are".to_owned(),
        CallError::AlreadyExists(_) => {
            "see it with `inrush sale show`, change it with `inrush sale update`".to_owned()
        }
        CallError::FailedPrecondition(_) => "`inrush sale show` tells what the sale is doing".to_owned(),
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
    };
    failed(error, remedy)
}

fn two_lines(wrong: impl Display, remedy: impl Display) -> String {
    format!("{wrong}\n  {remedy}")
}
