//! Errors and panics of tasks and threads, as text.

use std::any::Any;
use std::error::Error;
use std::fmt::Write as _;

/// The error of a task. `anyhow::Error`, `thiserror` types and strings convert to it with `?`.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(line, ": {error}");
        cause = error.source();
    }
    line
}

/// The message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_in_the_line() {
        let error = anyhow::anyhow!("connection refused").context("cannot reach Redis").context("not ready");
        let error: TaskError = error.into();
        assert_eq!(with_causes(error.as_ref()), "not ready: cannot reach Redis: connection refused");
    }

    #[test]
    fn panic_messages_are_read_from_the_payload() {
        let message = |payload: Box<dyn Any + Send>| panic_message(payload.as_ref()).to_owned();
        assert_eq!(message(Box::new("literal")), "literal");
        assert_eq!(message(Box::new("formatted".to_owned())), "formatted");
        assert_eq!(message(Box::new(7)), "a panic without a message");
    }
}
