//! What a failed command means: whether the server may have executed it, whether to retry, and the error for the caller.

use std::fmt;

use inrush_core::store::{StoreError, WriteRefusal};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::user_rules::USER_RULES;

/// Error code of scripts that found data that Inrush did not write; see `lua/include/codes.lua`.
const CORRUPT: &str = "CORRUPT";

/// A command that failed.
#[derive(Clone, Debug)]
pub(super) struct CommandError {
    /// Whether the server executed it.
    pub(super) outcome: CommandOutcome,
    /// Whether the connection must be closed.
    pub(super) connection_broken: bool,
    /// The error for the caller.
    pub(super) error: StoreError,
}

/// Whether the server executed a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandOutcome {
    /// The server does not have the script (NOSCRIPT): not executed.
    ScriptMissing,
    /// Not executed; a retry is likely to succeed soon.
    NotExecuted,
    /// The connection broke: the command may have been executed.
    MaybeExecuted,
    /// It failed, or timed out; an immediate retry would not help.
    Final,
}

impl CommandError {
    /// No attempt was made on `server`, and an immediate retry would not help.
    pub(super) fn unavailable(server: &str, why: &dyn fmt::Display) -> Self {
        Self { outcome: CommandOutcome::Final, connection_broken: false, error: unavailable(server, why) }
    }

    /// Classifies the error of a command sent to `server`.
    pub(super) fn from_command(error: &RedisError, server: &str) -> Self {
        match error.kind() {
            ErrorKind::Server(kind) => Self::answered(kind, error, server),
            ErrorKind::Extension => Self::answered_with_code(error.code().unwrap_or_default(), error, server),
            ErrorKind::AuthenticationFailed => Self::denied(error),
            ErrorKind::Io if error.is_timeout() => Self {
                outcome: CommandOutcome::Final,
                connection_broken: true,
                error: unavailable(server, &"no answer in time"),
            },
            // The connection closed in the middle of a reply, or its peer is no Redis. Only a new connection shows which.
            ErrorKind::Parse => Self {
                outcome: CommandOutcome::MaybeExecuted,
                connection_broken: true,
                error: unavailable(
                    server,
                    &format_args!("the reply was cut, or is not in the Redis protocol: {error}"),
                ),
            },
            ErrorKind::UnexpectedReturnType => Self {
                outcome: CommandOutcome::Final,
                connection_broken: true,
                error: StoreError::Corrupt(format!("{server} does not speak the Redis protocol: {error}")),
            },
            ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported => Self {
                outcome: CommandOutcome::Final,
                connection_broken: false,
                error: StoreError::Unsuitable(error.to_string()),
            },
            ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel => Self::not_executed(error, server, true),
            _ => Self {
                outcome: CommandOutcome::MaybeExecuted,
                connection_broken: true,
                error: unavailable(server, error),
            },
        }
    }

    /// Whether another server may have become the master, or is about to.
    pub(super) const fn may_be_a_failover(&self) -> bool {
        self.error.may_pass()
    }

    /// Classifies the error of connecting to `server`: no command was sent.
    pub(super) fn from_connect(error: &RedisError, server: &str) -> Self {
        match Self::from_command(error, server) {
            Self { error: error @ (StoreError::Unsuitable(_) | StoreError::AccessDenied(_)), .. } => {
                Self { outcome: CommandOutcome::Final, connection_broken: false, error }
            }
            Self { outcome: CommandOutcome::Final, .. } => Self {
                outcome: CommandOutcome::Final,
                connection_broken: false,
                error: unavailable(server, error),
            },
            _ => Self::not_executed(error, server, false),
        }
    }

    fn answered(kind: ServerErrorKind, error: &RedisError, server: &str) -> Self {
        match kind {
            ServerErrorKind::NoScript => Self {
                outcome: CommandOutcome::ScriptMissing,
                connection_broken: false,
                error: unavailable(server, error),
            },
            // A server that became a replica stays connected: only a new connection finds the new master.
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => {
                Self::not_executed(error, server, true)
            }
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask => Self::not_executed(error, server, false),
            ServerErrorKind::NoPerm => Self::denied(error),
            _ => Self::answered_with_code(error.code().unwrap_or_default(), error, server),
        }
    }

    fn answered_with_code(code: &str, error: &RedisError, server: &str) -> Self {
        let detail = error.detail().unwrap_or_default();
        let error = match code {
            "BUSY" => return Self::not_executed(error, server, false),
            "NOAUTH" | "WRONGPASS" => return Self::denied(error),
            "OOM" => refuses_writes(
                WriteRefusal::Full,
                server,
                "its memory is full: raise maxmemory, or delete sales that are over",
            ),
            "MISCONF" => refuses_writes(WriteRefusal::NotPersisting, server, detail),
            // A replica is back soon, or a failover makes another server the master.
            "NOREPLICAS" => {
                let error = refuses_writes(WriteRefusal::TooFewReplicas, server, detail);
                return Self { outcome: CommandOutcome::NotExecuted, connection_broken: false, error };
            }
            "ERR" if detail.contains("max number of clients") => {
                unavailable(server, &"its connection limit is reached: raise maxclients")
            }
            // The denial of a command within a script has no code of its own.
            "ERR" if detail.starts_with("The user executing the script can't") => return Self::denied(error),
            "ERR" if detail.contains("cluster support disabled") => StoreError::Unsuitable(format!(
                "{server} is no Redis Cluster: write redis:// instead of redis+cluster:// in the Redis URL"
            )),
            CORRUPT => StoreError::Corrupt(detail.to_owned()),
            _ => StoreError::Corrupt(format!("{server} answers with {error}")),
        };
        Self { outcome: CommandOutcome::Final, connection_broken: false, error }
    }

    fn not_executed(error: &RedisError, server: &str, connection_broken: bool) -> Self {
        Self { outcome: CommandOutcome::NotExecuted, connection_broken, error: unavailable(server, error) }
    }

    fn denied(error: &RedisError) -> Self {
        Self {
            outcome: CommandOutcome::Final,
            connection_broken: false,
            error: StoreError::AccessDenied(format!(
                "{}: check user and password in the Redis URL and the rights of that user: `ACL \
                 SETUSER NAME {USER_RULES}`",
                error.detail().unwrap_or("authentication failed"),
            )),
        }
    }
}

fn refuses_writes(refusal: WriteRefusal, server: &str, why: &str) -> StoreError {
    StoreError::RefusesWrites(refusal, format!("Redis at {server}: {why}"))
}

fn unavailable(server: &str, why: &dyn fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("Redis at {server}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(reply: &str) -> CommandError {
        let value = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
        CommandError::from_command(&value.extract_error().unwrap_err(), "cache:6379")
    }

    #[test]
    fn a_transient_error_is_retried() {
        for reply in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MASTERDOWN Link with MASTER is down",
            "BUSY Redis is busy running a script.",
            "MOVED 1 other:6379",
        ] {
            let error = error_of(reply);
            assert_eq!(error.outcome, CommandOutcome::NotExecuted, "{reply}");
            assert!(matches!(error.error, StoreError::Unavailable(_)), "{reply}");
        }
    }

    #[test]
    fn a_refusal_to_write_has_its_cause() {
        for (reply, refusal, outcome) in [
            ("OOM command not allowed", WriteRefusal::Full, CommandOutcome::Final),
            ("MISCONF Errors writing to the AOF file", WriteRefusal::NotPersisting, CommandOutcome::Final),
            (
                "NOREPLICAS Not enough good replicas",
                WriteRefusal::TooFewReplicas,
                CommandOutcome::NotExecuted,
            ),
        ] {
            let error = error_of(reply);
            assert!(
                matches!(error.error, StoreError::RefusesWrites(cause, _) if cause == refusal),
                "{reply}"
            );
            assert_eq!((error.outcome, error.connection_broken), (outcome, false), "{reply}");
        }
    }

    #[test]
    fn a_reply_that_is_cut_is_a_broken_connection() {
        let cut = redis::parse_redis_value(b"*2\r\n$3\r\nab").unwrap_err();
        let garbled = redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        for error in [cut, garbled] {
            let error = CommandError::from_command(&error, "cache");
            assert_eq!((error.outcome, error.connection_broken), (CommandOutcome::MaybeExecuted, true));
            assert!(matches!(error.error, StoreError::Unavailable(_)), "{}", error.error);
        }
    }

    #[test]
    fn an_error_of_configuration_names_its_remedy() {
        let text = |reply: &str| error_of(reply).error.to_string();
        assert!(text("OOM command not allowed").contains("maxmemory"));
        assert!(text("NOAUTH Authentication required.").contains("password"));
        assert!(text("NOPERM no permissions to run the 'evalsha' command").contains("ACL"));
        assert!(
            text("ERR The user executing the script can't run this command or subcommand").contains("ACL")
        );
        assert!(text("ERR This instance has cluster support disabled").contains("redis://"));
        assert_eq!(error_of("CORRUPT a gap").error, StoreError::Corrupt("a gap".to_owned()));
        assert!(matches!(error_of("WRONGTYPE Operation against a key").error, StoreError::Corrupt(_)));
        assert_eq!(error_of("NOSCRIPT No matching script.").outcome, CommandOutcome::ScriptMissing);
    }

    #[test]
    fn after_a_broken_connection_it_is_unknown_whether_the_command_was_executed() {
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(CommandError::from_command(&broken, "cache").outcome, CommandOutcome::MaybeExecuted);
        assert_eq!(CommandError::from_connect(&broken, "cache").outcome, CommandOutcome::NotExecuted);
        let silent = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let error = CommandError::from_command(&silent, "cache");
        assert_eq!((error.outcome, error.connection_broken), (CommandOutcome::Final, true));
    }
}
